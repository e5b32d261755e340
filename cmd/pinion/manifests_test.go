// What is said to Kubernetes and to who builds an image fits what Pinion does.

package main

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/pinion-proxy/pinion/master/config"
)

// configMap returns the configuration in a manifest.
func configMap(t *testing.T, manifest string) *config.Config {
	t.Helper()
	_, block, found := strings.Cut(manifest, "  pinion.yml: |\n")
	block, _, ends := strings.Cut(block, "\n---\n")
	if !found || !ends {
		t.Fatal("there is no pinion.yml in it")
	}
	text := strings.ReplaceAll("\n"+block, "\n    ", "\n")
	c, err := config.Parse("pinion.yml", []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	for _, w := range c.Warnings(config.Machine{Workers: 2}) {
		t.Error(w)
	}
	return c
}

// port returns the number behind the last colon.
func port(address string) string { return address[strings.LastIndexByte(address, ':')+1:] }

func TestManifests(t *testing.T) {
	for _, name := range []string{"deployment.yml", "daemonset.yml"} {
		t.Run(name, func(t *testing.T) {
			manifest := document(t, "packaging/kubernetes/"+name)
			c := configMap(t, manifest)
			grace, err := strconv.Atoi(regexp.MustCompile(`terminationGracePeriodSeconds: (\d+)`).FindStringSubmatch(manifest)[1])
			takes := c.Global.DrainDelay + c.Global.ShutdownTimeout + 2*time.Second
			if err != nil || c.Global.DrainDelay == 0 || takes > time.Duration(grace)*time.Second {
				t.Errorf("an end takes %v, and Kubernetes waits for %d s, %v", takes, grace, err)
			}
			if !c.Global.HTTP.AddrPort.Addr().IsLoopback() {
				t.Error("the page, with keys and the log, is for the whole cluster")
			}
			if !c.Global.ReloadOnChange || strings.Contains(manifest, "subPath") {
				t.Error("a change of the ConfigMap is no reload")
			}
			for _, want := range []string{
				fmt.Sprintf("- name: cache\n              containerPort: %s\n", port(c.Pools[0].Listen.Text)),
				fmt.Sprintf("- name: statistics\n              containerPort: %s\n", port(c.Global.Statistics.Text)),
				fmt.Sprintf("prometheus.io/port: %q\n", port(c.Global.Statistics.Text)),
				"readinessProbe:\n            httpGet:\n              path: /readyz\n              port: statistics\n",
				"livenessProbe:\n            httpGet:\n              path: /healthz\n              port: statistics\n",
				"args: [\"-c\", \"/etc/pinion/pinion.yml\"]\n", "mountPath: /etc/pinion\n",
			} {
				if !strings.Contains(manifest, want) {
					t.Errorf("it has no\n%s", want)
				}
			}
		})
	}
}

// The image has a configuration that is fit to run, and is started as a program that there is.
func TestContainerfile(t *testing.T) {
	file := document(t, "packaging/container/Containerfile")
	if _, err := config.Parse("pinion.yml", []byte(document(t, "packaging/container/pinion.yml"))); err != nil {
		t.Error(err)
	}
	_, version, _ := strings.Cut(document(t, "go.mod"), "\ngo ")
	version, _, _ = strings.Cut(version, "\n")
	if minor := version[:strings.LastIndexByte(version, '.')]; !strings.Contains(file, "library/golang:"+minor+" ") {
		t.Errorf("go.mod wants Go %s, and the image is built with another one", version)
	}
	for _, want := range []string{"-o /root-of-image/usr/bin/pinion ./cmd/pinion\n", `ENTRYPOINT ["/usr/bin/pinion"]`, `CMD ["-c", "/etc/pinion/pinion.yml"]`,
		"packaging/container/pinion.yml /root-of-image/etc/pinion/pinion.yml\n"} {
		if !strings.Contains(file, want) {
			t.Errorf("it has no %q", want)
		}
	}
}
