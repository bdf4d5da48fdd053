// Command go-yaml lets tests ask Go how Flotta writes ConfigMaps and pods. It is never shipped.
//
// It reads lines {"kind": "ConfigMap" | "PodSpec", "json": VALUE}. For each it decodes VALUE into
// Kubernetes' own type and prints {"yaml": TEXT}, as Flotta's Edge API marshals it, or {"error":
// TEXT}.
package main

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/ghodss/yaml"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

type question struct {
	Kind string          `json:"kind"`
	JSON json.RawMessage `json:"json"`
}

type answer struct {
	YAML  string `json:"yaml,omitempty"`
	Error string `json:"error,omitempty"`
}

func main() {
	if err := run(os.Stdin, os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "go-yaml:", err)
		os.Exit(1)
	}
}

func run(in io.Reader, out io.Writer) error {
	asked, answers := json.NewDecoder(bufio.NewReader(in)), json.NewEncoder(out)
	for {
		var question question
		if err := asked.Decode(&question); errors.Is(err, io.EOF) {
			return nil
		} else if err != nil {
			return err
		}
		var reply answer
		if text, err := write(question); err != nil {
			reply.Error = err.Error()
		} else {
			reply.YAML = text
		}
		if err := answers.Encode(reply); err != nil {
			return err
		}
	}
}

func write(question question) (string, error) {
	switch question.Kind {
	case "ConfigMap":
		var object corev1.ConfigMap
		if err := json.Unmarshal(question.JSON, &object); err != nil {
			return "", err
		}
		// As configmaps.Fetch does before it marshals.
		object.ObjectMeta = metav1.ObjectMeta{Name: object.Name}
		object.TypeMeta = metav1.TypeMeta{Kind: "ConfigMap", APIVersion: "v1"}
		return marshal(object)
	case "PodSpec":
		var spec corev1.PodSpec
		if err := json.Unmarshal(question.JSON, &spec); err != nil {
			return "", err
		}
		return marshal(spec)
	default:
		return "", fmt.Errorf("there is no kind %q", question.Kind)
	}
}

func marshal(object any) (string, error) {
	text, err := yaml.Marshal(object)
	return string(text), err
}
