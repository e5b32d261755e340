package web

import (
	"fmt"
	"net/http"
	"os"
	"runtime"
	"strings"
	"testing"
	"time"
)

// Nothing of this package runs on when all tests have ended what they began.
func TestMain(m *testing.M) {
	code := m.Run()
	http.DefaultClient.CloseIdleConnections()
	left := ours()
	for until := time.Now().Add(10 * time.Second); left != "" && time.Now().Before(until); left = ours() {
		time.Sleep(10 * time.Millisecond)
	}
	if left != "" {
		fmt.Fprintf(os.Stderr, "goroutines are left:\n%s\n", left)
		code = 1
	}
	os.Exit(code)
}

// ours returns the stacks of goroutines in which there is something of this package, but for the one that asks.
func ours() (left string) {
	text := make([]byte, 1<<20)
	text = text[:runtime.Stack(text, true)]
	for stack := range strings.SplitSeq(string(text), "\n\n") {
		if strings.Contains(stack, "pinion/master/web.") && !strings.Contains(stack, "web.TestMain(") {
			left += stack + "\n\n"
		}
	}
	return left
}
