// Command go-models lets tests ask Flotta's own Go models. It is never shipped.
//
//	go-models echo                  reads lines {"model": NAME, "json": VALUE}; for each, decodes VALUE into the model,
//	                                encodes it again and prints {"json": VALUE} or {"error": TEXT}
//	go-models generate SEED COUNT   prints COUNT random instances of every model as {"model": NAME, "json": VALUE};
//	                                the same seed prints the same lines
package main

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand"
	"os"
	"reflect"
	"sort"
	"strconv"

	backend "github.com/project-flotta/flotta-operator/backend/models"
	"github.com/project-flotta/flotta-operator/models"
)

// The models by the names that they have in contract, the crate under test.
var known = map[string]reflect.Type{
	"EnrolmentInfo":               reflect.TypeOf(models.EnrolmentInfo{}),
	"RegistrationInfo":            reflect.TypeOf(models.RegistrationInfo{}),
	"Heartbeat":                   reflect.TypeOf(models.Heartbeat{}),
	"RegistrationStatus":          reflect.TypeOf(backend.DeviceRegistrationStatusResponse{}),
	"ErrorMessage":                reflect.TypeOf(backend.Error{}),
	"DeviceConfigurationEnvelope": reflect.TypeOf(backend.DeviceConfigurationResponse{}),
	"DeviceConfigurationMessage":  reflect.TypeOf(models.DeviceConfigurationMessage{}),
	"PlaybookExecution":           reflect.TypeOf(models.PlaybookExecution{}),
	"Message":                     reflect.TypeOf(models.Message{}),
	"MessageResponse":             reflect.TypeOf(models.MessageResponse{}),
	"RegistrationResponse":        reflect.TypeOf(models.RegistrationResponse{}),
}

type line struct {
	Model string          `json:"model,omitempty"`
	JSON  json.RawMessage `json:"json,omitempty"`
	Error string          `json:"error,omitempty"`
}

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "go-models:", err)
		os.Exit(1)
	}
}

func run(args []string) error {
	switch {
	case len(args) == 1 && args[0] == "echo":
		return echo(os.Stdin, os.Stdout)
	case len(args) == 3 && args[0] == "generate":
		seed, err := strconv.ParseInt(args[1], 10, 64)
		if err != nil {
			return fmt.Errorf("the seed is not an integer: %w", err)
		}
		count, err := strconv.Atoi(args[2])
		if err != nil {
			return fmt.Errorf("the count is not an integer: %w", err)
		}
		return generate(seed, count, os.Stdout)
	}
	return errors.New("usage: go-models echo | go-models generate SEED COUNT")
}

func echo(in io.Reader, out io.Writer) error {
	asked, answers := json.NewDecoder(in), encoder(out)
	for {
		var question line
		if err := asked.Decode(&question); errors.Is(err, io.EOF) {
			return nil
		} else if err != nil {
			return err
		}
		model, ok := known[question.Model]
		if !ok {
			return fmt.Errorf("there is no model %q", question.Model)
		}
		value := reflect.New(model)
		var answer line
		if err := json.Unmarshal(question.JSON, value.Interface()); err != nil {
			answer.Error = err.Error()
		} else if answer.JSON, err = json.Marshal(value.Interface()); err != nil {
			answer.Error = err.Error()
		}
		if err := answers.Encode(answer); err != nil {
			return err
		}
	}
}

func generate(seed int64, count int, out io.Writer) error {
	buffered := bufio.NewWriter(out)
	lines, random := encoder(buffered), rand.New(rand.NewSource(seed))
	names := make([]string, 0, len(known))
	for name := range known {
		names = append(names, name)
	}
	sort.Strings(names)
	for _, name := range names {
		for range count {
			value := reflect.New(known[name])
			fill(random, value.Elem())
			text, err := json.Marshal(value.Interface())
			if err != nil {
				return fmt.Errorf("%s: %w", name, err)
			}
			if err := lines.Encode(line{Model: name, JSON: text}); err != nil {
				return err
			}
		}
	}
	return buffered.Flush()
}

// Like the Edge API, which leaves '<', '>' and '&' as they are.
func encoder(out io.Writer) *json.Encoder {
	lines := json.NewEncoder(out)
	lines.SetEscapeHTML(false)
	return lines
}
