// Command kubectl-reader lets tests ask what kubectl reads in a text. It is never shipped.
//
// It reads lines {"text": TEXT}. For each it prints {"documents": [VALUE...]}, as the visitor of
// streams in k8s.io/cli-runtime gets them, or {"error": TEXT}.
package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/yaml"
)

// As pkg/resource/visitor.go has it.
const lookahead = 4096

type question struct {
	Text string `json:"text"`
}

type answer struct {
	Documents []json.RawMessage `json:"documents"`
	Error     string            `json:"error,omitempty"`
}

func main() {
	if err := run(os.Stdin, os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "kubectl-reader:", err)
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
		reply := answer{Documents: []json.RawMessage{}}
		if documents, err := read(question.Text); err != nil {
			reply.Error = err.Error()
		} else {
			reply.Documents = documents
		}
		if err := answers.Encode(reply); err != nil {
			return err
		}
	}
}

// read is StreamVisitor.Visit up to where an object is made of what was read. Its reader fails by a
// panic where a key is a list.
func read(text string) (documents []json.RawMessage, err error) {
	defer func() {
		if failed := recover(); failed != nil {
			documents, err = nil, fmt.Errorf("it panics: %v", failed)
		}
	}()
	documents = []json.RawMessage{}
	decoder := yaml.NewYAMLOrJSONDecoder(strings.NewReader(text), lookahead)
	for {
		extension := runtime.RawExtension{}
		if err := decoder.Decode(&extension); errors.Is(err, io.EOF) {
			return documents, nil
		} else if err != nil {
			return nil, err
		}
		raw := bytes.TrimSpace(extension.Raw)
		if len(raw) == 0 || bytes.Equal(raw, []byte("null")) {
			continue
		}
		documents = append(documents, json.RawMessage(raw))
	}
}
