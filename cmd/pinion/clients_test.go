package main

import (
	"net/http"
	"strings"
	"testing"
)

const twoClients = `{"id":7,"pool":"a","generation":2,"worker":1,"address":"10.0.0.1:5","name":"","user":"app","tls":"1.3","state":"idle","age_s":4000,"idle_s":3,"command":"","memory_bytes":300}
{"id":5,"pool":"a","generation":2,"worker":0,"address":"10.0.0.2:6","name":"web\u001b[2J","tls":"no","state":"blocked","age_s":5,"idle_s":4,"command":"blpop","queue_requests":1,"memory_bytes":900}
`

const clientsTable = `ID  ADDRESS     USER  NAME     POOL  WORKER  AGE       IDLE  STATE    QUEUE  BYTES  COMMAND  SUBSCRIPTIONS  TLS
5   10.0.0.2:6  -     web?[2J  a     0@2     5 s       4 s   blocked  1      900    blpop    0  no
7   10.0.0.1:5  app   -        a     1@2     1 h 6 min  3 s   idle     0      300    -        0  1.3
2 clients
`

func TestClientsCommand(t *testing.T) {
	answer := twoClients + `{"end":true}` + "\n"
	f := playMaster(t, func(_ *fakeMaster, w http.ResponseWriter, _ *http.Request) { w.Write([]byte(answer)) })
	status, out, err := invoke("clients", "--control", f.path)
	if got, want := strings.Join(strings.Fields(out), " "), strings.Join(strings.Fields(clientsTable), " "); status != 0 || got != want || err != "" {
		t.Errorf("%d\n%s\n%s", status, out, err)
	}
	if status, out, _ := invoke("clients", "--sort", "age", "--control", f.path); status != 0 || strings.Index(out, "10.0.0.1") > strings.Index(out, "10.0.0.2") {
		t.Errorf("%d\n%s", status, out)
	}
	if status, out, _ := invoke("clients", "--json", "--control", f.path); status != 0 || out != twoClients {
		t.Errorf("%d\n%s", status, out)
	}
	for option, address := range map[string]string{"--plaintext": "10.0.0.2:6", "--tls": "10.0.0.1:5"} {
		if status, out, _ := invoke("clients", option, "--json", "--control", f.path); status != 0 || strings.Count(out, "\n") != 1 || !strings.Contains(out, address) {
			t.Errorf("%s: %d\n%s", option, status, out)
		}
	}
	if status, out, _ := invoke("clients", "--kill", "--id", "5", "--id=7", "--idle", "1m", "--pool", "a b", "--control", f.path); status != 0 || !strings.HasSuffix(out, "2 clients closed\n") {
		t.Errorf("%d\n%s", status, out)
	}
	answer = `{"end":true,"unheard":["worker 1 of generation 2: it does not answer"]}` + "\n"
	if status, out, err := invoke("clients", "--control", f.path); status != 1 || out != "0 clients\n" || !strings.Contains(err, "worker 1 of generation 2: it does not") {
		t.Errorf("%d\n%s\n%s", status, out, err)
	}
	answer = twoClients
	if status, _, err := invoke("clients", "--control", f.path); status != 1 || !strings.Contains(err, "cut off") {
		t.Errorf("%d\n%s", status, err)
	}
	want := "GET /clients\nGET /clients\nGET /clients\nGET /clients\nGET /clients\nPOST /clients/kill?id=5&id=7&min_idle=60&pool=a+b\nGET /clients\nGET /clients"
	if got := f.requests(); got != want {
		t.Errorf("requests:\n%s", got)
	}
	for _, bad := range []string{"--kill", "--kill --plaintext", "--kill --tls --id 5", "--tls --plaintext", "--id x", "--idle soon", "--sort size", "x", "--command nope", "--command client|nope"} {
		if status, _, err := invoke(append([]string{"clients", "--control", f.path}, strings.Fields(bad)...)...); status != 1 || f.requests() != want {
			t.Errorf("%s: %d, %s", bad, status, err)
		}
	}
}

// Names of pools and servers come from the configuration, which may have anything in them.
func TestTerminalIsLeftAlone(t *testing.T) {
	var out strings.Builder
	const text = "a\x1b[31mb\u009bc\u202ed é\n"
	if n, err := (terminal{&out}).Write([]byte(text)); n != len(text) || err != nil || out.String() != "a?[31mb?c?d é\n" {
		t.Errorf("got %q, %d, %v", out.String(), n, err)
	}
}
