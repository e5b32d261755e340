package web

import (
	"context"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"testing"
)

// What is asked under a name that is not this host's is refused, unless it comes through a unix socket.
func TestOnlyByOurName(t *testing.T) {
	own, err := os.Hostname()
	if err != nil {
		t.Fatal(err)
	}
	answer := onlyByOurName(func(w http.ResponseWriter, _ *http.Request) { w.Write([]byte("yes")) })
	for _, test := range []struct {
		host string
		unix bool
		want int
	}{
		{"127.0.0.1:22223", false, 200}, {"[::1]:22223", false, 200}, {"::1", false, 200}, {"localhost:1", false, 200}, {"LOCALHOST.", false, 200},
		{own, false, 200}, {own + ":22223", false, 200}, {"", false, 200},
		{"evil.example:22223", false, 403}, {"127.0.0.1.evil.example", false, 403}, {"evil.example", true, 200},
	} {
		r := httptest.NewRequest("GET", "/state", nil)
		r.Host = test.host
		var local net.Addr = &net.TCPAddr{}
		if test.unix {
			local = &net.UnixAddr{Net: "unix"}
		}
		r = r.WithContext(context.WithValue(r.Context(), http.LocalAddrContextKey, local))
		w := httptest.NewRecorder()
		answer(w, r)
		if w.Code != test.want || w.Header().Get("X-Content-Type-Options") != "nosniff" {
			t.Errorf("%q: got %d, want %d", test.host, w.Code, test.want)
		}
	}
}

// Under another name the page is not answered, either.
func TestPageByOurNameOnly(t *testing.T) {
	_, l := shown(t, nil)
	pages := l.Pages()
	for path, want := range map[string]int{"/": 403, "/page.js": 403, "/state": 403, "/hotkeys.json": 403} {
		r := httptest.NewRequest("GET", path, nil)
		r.Host = "evil.example"
		w := httptest.NewRecorder()
		if pages.ServeHTTP(w, r); w.Code != want {
			t.Errorf("%s: got %d, want %d", path, w.Code, want)
		}
	}
}
