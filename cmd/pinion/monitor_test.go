package main

import (
	"net/http"
	"strings"
	"testing"
)

// It goes on where a master has left it, and ends when enough has come.
func TestMonitorCommand(t *testing.T) {
	const first = `{"at_us":1763816538000001,"worker":1,"pool":"a","client":7,"address":"10.0.0.1:5","name":"web","command":"get","key":"k\u001b","bytes":1023}` + "\n"
	const second = `{"at_us":1763816538000002,"worker":0,"missed":1234}` + "\n" +
		`{"at_us":1763816538000003,"worker":0,"pool":"a","client":8,"command":"ping","bytes":1}` + "\n" +
		`{"at_us":1763816538000004,"worker":0,"pool":"a","client":8,"address":"[::1]:2","command":"set","key_base64":"/w==","key_cut":true,"bytes":9}` + "\n"
	const want = `1763816538.000001 [a, 10.0.0.1:5, 7, web] get "k\x1b" (1,023 bytes)
1763816538.000002 worker 0 has left out 1,234 requests
1763816538.000003 [a, unix, 8] ping (1 byte)
1763816538.000004 [a, [::1]:2, 8] set "\xff"… (9 bytes)
`
	answers := []string{first, "", second}
	f := playMaster(t, func(_ *fakeMaster, w http.ResponseWriter, _ *http.Request) {
		if answers[0] == "" {
			w.WriteHeader(http.StatusServiceUnavailable)
			w.Write([]byte(`{"error":"another master is about to take over"}`))
		} else {
			w.Write([]byte(answers[0]))
		}
		answers = append(answers[1:], first)
	})
	status, out, err := invoke("monitor", "--prefix", "k", "--count", "3", "--control", f.path)
	if status != 0 || out != want || err != "" {
		t.Errorf("%d\n%s\n%s", status, out, err)
	}
	if got := f.requests(); !strings.HasPrefix(got, "GET /monitor?prefix=k\n") {
		t.Errorf("requests: %s", got)
	}
	if status, out, _ := invoke("monitor", "--json", "--count", "1", "--control", f.path); status != 0 || out != first {
		t.Errorf("%d\n%s", status, out)
	}
}

func TestMonitorIsRefused(t *testing.T) {
	f := playMaster(t, func(_ *fakeMaster, w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusInternalServerError)
		w.Write([]byte(`{"error":"worker 0 of generation 1: it has no pool \"x\""}`))
	})
	if status, _, err := invoke("monitor", "--pool", "x", "--control", f.path); status != 1 || !strings.Contains(err, "no pool") {
		t.Errorf("%d\n%s", status, err)
	}
}

func TestViewsRefuseNonsense(t *testing.T) {
	f := playMaster(t, func(_ *fakeMaster, w http.ResponseWriter, _ *http.Request) { w.Write([]byte("{}")) })
	for _, bad := range []string{
		"monitor --count 0", "monitor --count -1", "monitor --command nope", "hotkeys --count 0", "bigkeys --count -1", "slowlog --count -1", "slowlog --count x", "monitor x", "top --by nope",
	} {
		if status, _, err := invoke(append(strings.Fields(bad), "--control", f.path)...); status != 1 || err == "" || f.requests() != "" {
			t.Errorf("%s: %d, %q; asked %q", bad, status, err, f.requests())
		}
	}
	for _, name := range []string{"get", "client", "client|list", "gets", "mg", "fcall"} {
		if !isCommandName(name) {
			t.Errorf("%q is a command", name)
		}
	}
}
