// Command coredns is CoreDNS with the plugins that a test cluster needs.
//
// A module of its own, because it needs newer dependencies than Kubernetes pins.
package main

import (
	"github.com/coredns/coredns/core/dnsserver"
	"github.com/coredns/coredns/coremain"
	_ "github.com/coredns/coredns/plugin/bind"
	_ "github.com/coredns/coredns/plugin/cache"
	_ "github.com/coredns/coredns/plugin/errors"
	_ "github.com/coredns/coredns/plugin/kubernetes"
	_ "github.com/coredns/coredns/plugin/ready"
	_ "github.com/coredns/coredns/plugin/template"
)

// The order in which the plugins see a question; those not named are not built.
func init() {
	dnsserver.Directives = []string{"bind", "errors", "ready", "cache", "kubernetes", "template"}
}

func main() { coremain.Run() }
