// Command images writes a container image of one layer as an OCI archive, from files, without a
// container engine and without a base image.
//
// usage: images -o OUT.tar -name NAME:TAG [-user UID:GID] [-env NAME=VALUE]... FILE=/PATH...
//
// The first file is the entrypoint. The same input gives the same bytes: no time, no user and no
// order of the machine goes into them. Layers are not compressed: the archive never leaves the
// machine.
package main

import (
	"archive/tar"
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"path"
	"runtime"
	"strings"
)

// The media types of the OCI image specification 1.0.
const (
	layerType    = "application/vnd.oci.image.layer.v1.tar"
	configType   = "application/vnd.oci.image.config.v1+json"
	manifestType = "application/vnd.oci.image.manifest.v1+json"
	indexType    = "application/vnd.oci.image.index.v1+json"
)

type object = map[string]any

func main() {
	var out, name, user string
	var environment []string
	flag.StringVar(&out, "o", "", "the archive to write")
	flag.StringVar(&name, "name", "", "the image's name with its tag")
	flag.StringVar(&user, "user", "", "the user it runs as, numeric, so that Kubernetes can see that it is not root")
	flag.Func("env", "an environment variable, NAME=VALUE", func(text string) error {
		environment = append(environment, text)
		return nil
	})
	flag.Parse()
	if err := write(out, name, user, environment, flag.Args()); err != nil {
		fmt.Fprintf(os.Stderr, "images: %s cannot be made: %v\n", name, err)
		os.Exit(1)
	}
}

func write(out, name, user string, environment, files []string) error {
	colon := strings.LastIndexByte(name, ':')
	if out == "" || colon < 0 || len(files) == 0 {
		return errors.New("it needs -o, -name with a tag, and at least one FILE=/PATH")
	}
	layer, err := layerOf(files)
	if err != nil {
		return err
	}
	_, entrypoint, _ := strings.Cut(files[0], "=")

	blobs := archive{}
	layerAt := blobs.add(layerType, layer)
	config := object{"Entrypoint": []string{entrypoint}, "Env": environment, "User": user, "WorkingDir": "/"}
	configAt := blobs.addJSON(configType, object{
		"architecture": runtime.GOARCH, "os": "linux", "config": config,
		"rootfs": object{"type": "layers", "diff_ids": []any{layerAt["digest"]}},
	})
	manifestAt := blobs.addJSON(manifestType, object{
		"schemaVersion": 2, "mediaType": manifestType, "config": configAt, "layers": []object{layerAt},
	})
	manifestAt["platform"] = object{"architecture": runtime.GOARCH, "os": "linux"}
	manifestAt["annotations"] = object{
		// The name that containerd gives it, and the tag that everybody else looks for.
		"io.containerd.image.name": name, "org.opencontainers.image.ref.name": name[colon+1:],
	}
	index := object{"schemaVersion": 2, "mediaType": indexType, "manifests": []object{manifestAt}}
	blobs.file("index.json", encoded(index))
	blobs.file("oci-layout", encoded(object{"imageLayoutVersion": "1.0.0"}))
	content, err := tarOf(blobs)
	if err != nil {
		return err
	}
	return os.WriteFile(out, content, 0o644)
}

// layerOf packs the files at their places, with the folders above them, owned by root and read-only
// to all others.
func layerOf(files []string) ([]byte, error) {
	layer := archive{}
	for _, file := range files {
		source, destination, found := strings.Cut(file, "=")
		if !found || !path.IsAbs(destination) {
			return nil, fmt.Errorf("%q is not of the form FILE=/PATH", file)
		}
		content, err := os.ReadFile(source)
		if err != nil {
			return nil, err
		}
		information, err := os.Stat(source)
		if err != nil {
			return nil, err
		}
		mode := int64(0o644)
		if information.Mode()&0o111 != 0 {
			mode = 0o755
		}
		layer.place(strings.TrimPrefix(path.Clean(destination), "/"), content, mode)
	}
	return tarOf(layer)
}

// archive is the files of a tar archive in order.
type archive []entry

type entry struct {
	header  tar.Header
	content []byte
}

func (a *archive) file(name string, content []byte) { a.place(name, content, 0o644) }

func (a *archive) place(name string, content []byte, mode int64) {
	a.folders(path.Dir(name))
	*a = append(*a, entry{tar.Header{Name: name, Mode: mode, Size: int64(len(content))}, content})
}

func (a *archive) folders(folder string) {
	if folder == "." {
		return
	}
	a.folders(path.Dir(folder))
	for _, known := range *a {
		if known.header.Name == folder+"/" {
			return
		}
	}
	*a = append(*a, entry{tar.Header{Name: folder + "/", Mode: 0o755, Typeflag: tar.TypeDir}, nil})
}

// add stores a blob under its digest and returns its descriptor.
func (a *archive) add(mediaType string, content []byte) object {
	sum := sha256.Sum256(content)
	digest := hex.EncodeToString(sum[:])
	a.file("blobs/sha256/"+digest, content)
	return object{"mediaType": mediaType, "digest": "sha256:" + digest, "size": len(content)}
}

func (a *archive) addJSON(mediaType string, value object) object {
	return a.add(mediaType, encoded(value))
}

// encoded never fails: the values are maps, lists, texts and numbers, and keys of maps are sorted.
func encoded(value object) []byte {
	content, err := json.Marshal(value)
	if err != nil {
		panic(err)
	}
	return content
}

func tarOf(a archive) ([]byte, error) {
	var buffer bytes.Buffer
	writer := tar.NewWriter(&buffer)
	for _, item := range a {
		if err := writer.WriteHeader(&item.header); err != nil {
			return nil, err
		}
		if _, err := writer.Write(item.content); err != nil {
			return nil, err
		}
	}
	if err := writer.Close(); err != nil {
		return nil, err
	}
	return buffer.Bytes(), nil
}
