// Command manifests checks rendered manifests (YAML on standard input) by rules of others that no
// schema tells:
//
//   - every pod and pod template satisfies the Pod Security Standard "restricted", as Kubernetes
//     itself judges it;
//   - every ServiceMonitor and PrometheusRule is what the Prometheus Operator reads, without an
//     unknown field.
//
// It prints what is wrong and exits 1, or says what it looked at.
package main

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	monitoring "github.com/prometheus-operator/prometheus-operator/pkg/apis/monitoring/v1"
	apps "k8s.io/api/apps/v1"
	batch "k8s.io/api/batch/v1"
	core "k8s.io/api/core/v1"
	meta "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/yaml"
	"k8s.io/pod-security-admission/api"
	"k8s.io/pod-security-admission/policy"
	strict "sigs.k8s.io/yaml"
)

func main() {
	looked, faults, err := check(os.Stdin)
	if err == nil && looked == 0 {
		err = errors.New("there was no pod in it")
	}
	if err != nil {
		fmt.Fprintf(os.Stderr, "manifests: %v\n", err)
		os.Exit(1)
	}
	for _, fault := range faults {
		fmt.Fprintf(os.Stderr, "manifests: %s\n", fault)
	}
	if len(faults) > 0 {
		os.Exit(1)
	}
	fmt.Printf("%d objects\n", looked)
}

func check(input io.Reader) (looked int, faults []string, err error) {
	evaluator, err := policy.NewEvaluator(policy.DefaultChecks(), nil)
	if err != nil {
		return 0, nil, err
	}
	restricted := api.LevelVersion{Level: api.LevelRestricted, Version: api.LatestVersion()}
	reader := yaml.NewYAMLReader(bufio.NewReader(input))
	for {
		document, err := reader.Read()
		if errors.Is(err, io.EOF) {
			return looked, faults, nil
		}
		if err != nil {
			return looked, faults, err
		}
		var head meta.PartialObjectMetadata
		if err := strict.Unmarshal(document, &head); err != nil {
			return looked, faults, err
		}
		what := head.Kind + " " + head.Name
		pod, err := read(document, head.Kind)
		if err != nil {
			faults = append(faults, fmt.Sprintf("%s: %v", what, err))
			continue
		}
		switch {
		case pod != nil:
			result := policy.AggregateCheckResults(evaluator.EvaluatePod(restricted, &pod.ObjectMeta, &pod.Spec))
			if !result.Allowed {
				faults = append(faults, fmt.Sprintf("%s is not restricted: %s", what, result.ForbiddenDetail()))
			}
			looked++
		case strings.HasPrefix(head.APIVersion, "monitoring.coreos.com/"):
			looked++
		}
	}
}

// read decodes what is looked at, without an unknown field, and returns the pod that is in it.
func read(document []byte, kind string) (*core.PodTemplateSpec, error) {
	switch kind {
	case "Deployment":
		var object apps.Deployment
		err := strict.UnmarshalStrict(document, &object)
		return &object.Spec.Template, err
	case "StatefulSet":
		var object apps.StatefulSet
		err := strict.UnmarshalStrict(document, &object)
		return &object.Spec.Template, err
	case "Job":
		var object batch.Job
		err := strict.UnmarshalStrict(document, &object)
		return &object.Spec.Template, err
	case "Pod":
		var object core.Pod
		err := strict.UnmarshalStrict(document, &object)
		return &core.PodTemplateSpec{ObjectMeta: object.ObjectMeta, Spec: object.Spec}, err
	case "ServiceMonitor":
		return nil, strict.UnmarshalStrict(document, &monitoring.ServiceMonitor{})
	case "PrometheusRule":
		return nil, strict.UnmarshalStrict(document, &monitoring.PrometheusRule{})
	}
	return nil, nil
}
