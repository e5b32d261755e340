// Workers may not ask for anything, and neither may what comes of them.

package admin

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"

	"github.com/pinion-proxy/pinion/worker/sock"
)

// callerVariable holds what the test is to do, which has been executed again, and the path of an admin socket.
const callerVariable = "PINION_TEST_CALLER"

func TestWorkersMayNotAsk(t *testing.T) {
	if what, path, found := strings.Cut(os.Getenv(callerVariable), ":"); found {
		callAs(t, what, path)
		return
	}
	o := operate(t)
	go func() {
		for a := range o.asks {
			a.Reply <- Outcome{Lines: []string{fmt.Sprint(a.By.PIDs)}}
		}
	}()
	for what, want := range map[string]int{"operator": http.StatusOK, "worker": http.StatusForbidden, "child": http.StatusForbidden} {
		c := exec.Command(os.Args[0], "-test.run=^TestWorkersMayNotAsk$", "-test.v")
		c.Env = append(os.Environ(), callerVariable+"="+what+":"+o.path)
		out, err := c.CombinedOutput()
		if err != nil || !strings.Contains(string(out), fmt.Sprintf("answer %d ", want)) {
			t.Errorf("%s: %v, want answer %d:\n%s", what, err, want, out)
		}
		if what == "operator" && !strings.Contains(string(out), fmt.Sprint(os.Getpid())) {
			t.Errorf("it does not come of this process, %d:\n%s", os.Getpid(), out)
		}
	}
	close(o.done)
}

// callAs asks as the process that it is told to be.
func callAs(t *testing.T, what, path string) {
	if what != "operator" {
		if err := sock.Brand(); err != nil {
			t.Fatal(err)
		}
	}
	if what == "child" {
		c := exec.Command(os.Args[0], os.Args[1:]...)
		c.Env = append(os.Environ(), callerVariable+"=operator:"+path)
		out, err := c.CombinedOutput()
		fmt.Printf("%s%v\n", out, err)
		return
	}
	dial := func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "unix", path)
	}
	client := http.Client{Transport: &http.Transport{DialContext: dial}}
	reply, err := client.Post("http://pinion/drain", "", nil)
	if err != nil {
		t.Fatal(err)
	}
	body, _ := io.ReadAll(reply.Body)
	fmt.Printf("answer %d %s\n", reply.StatusCode, body)
}

func TestAncestry(t *testing.T) {
	if got := ancestry(os.Getpid()); len(got) < 2 || got[0] != os.Getpid() || got[1] != os.Getppid() {
		t.Errorf("this process, %d of %d, comes of %v", os.Getpid(), os.Getppid(), got)
	}
	if bearsBrand(os.Getpid()) {
		t.Error("this process bears the brand of workers")
	}
	// A request of which nobody knows where it comes from is nobody's.
	if pids, branded := suspects(httptest.NewRequest("GET", "/status", nil)); branded || slices.Contains(pids, os.Getpid()) {
		t.Errorf("suspects %v, %v", pids, branded)
	}
}
