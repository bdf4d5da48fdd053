// Command kubernetes is etcd and kube-apiserver in one static binary: the first argument says which
// one runs.
//
// It is what a test needs of Kubernetes when no pod has to run. One binary, because the two share
// most of their dependencies, and because a machine without a container registry can build it from
// Go modules alone.
package main

import (
	"fmt"
	"os"

	"go.etcd.io/etcd/server/v3/etcdmain"
	"k8s.io/component-base/cli"
	_ "k8s.io/component-base/metrics/prometheus/clientgo"
	_ "k8s.io/component-base/metrics/prometheus/version"
	apiserver "k8s.io/kubernetes/cmd/kube-apiserver/app"
)

func main() {
	component := ""
	if len(os.Args) > 1 {
		component = os.Args[1]
	}
	switch component {
	case "etcd":
		// etcd skips the program's name by itself and reads its subcommand, "etcd", as the name.
		etcdmain.Main(os.Args[1:])
	case "kube-apiserver":
		os.Args = os.Args[1:]
		os.Exit(cli.Run(apiserver.NewAPIServerCommand()))
	default:
		fmt.Fprintln(os.Stderr, "usage: kubernetes etcd|kube-apiserver [flags]")
		os.Exit(2)
	}
}
