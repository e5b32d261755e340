package survey

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"github.com/pinion-proxy/pinion/master/admin"
	"github.com/pinion-proxy/pinion/worker/link"
	"github.com/pinion-proxy/pinion/worker/sock"
)

// workers answer rounds as the loop and they would: answer makes what each says, and its text.
func workers(t *testing.T, all []Worker, answer func(w Worker, from uint64, q link.QuestionBody) (link.AnswerBody, string)) string {
	t.Helper()
	rounds, done := make(chan *Round), make(chan struct{})
	t.Cleanup(func() { close(done) })
	go func() {
		for {
			select {
			case r := <-rounds:
				begin(t, r, all, answer)
			case <-done:
				return
			}
		}
	}()
	mux := http.NewServeMux()
	NewDesk(rounds, done).Handle(mux)
	server := httptest.NewServer(mux)
	t.Cleanup(server.Close)
	return server.URL
}

func begin(t *testing.T, r *Round, all []Worker, answer func(w Worker, from uint64, q link.QuestionBody) (link.AnswerBody, string)) {
	answers := NewAnswers(len(all))
	b := Begun{Answers: answers}
	for _, w := range all {
		from, meant := r.From[w]
		if r.From != nil && !meant {
			continue
		}
		b.Asked = append(b.Asked, w)
		body, text := answer(w, from, r.Question)
		fd := -1
		if text != "" {
			var err error
			if fd, err = sock.MemfdSealed("test", []byte(text)); err != nil {
				t.Error(err)
			}
		}
		answers.Put(w, body, fd)
	}
	r.Begun <- b
}

func lines(t *testing.T, method, url string) (code int, all []string) {
	t.Helper()
	r, err := http.NewRequest(method, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	response, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	for s := bufio.NewScanner(response.Body); s.Scan(); {
		all = append(all, s.Text())
	}
	return response.StatusCode, all
}

func TestPagesOfAllWorkers(t *testing.T) {
	all := []Worker{{1, 0, 10}, {2, 0, 20}, {2, 1, 21}}
	url := workers(t, all, func(w Worker, from uint64, q link.QuestionBody) (link.AnswerBody, string) {
		switch {
		case w.PID == 10:
			return link.AnswerBody{Failed: "it is old"}, ""
		case w.PID == 20:
			return link.AnswerBody{}, ""
		case from < 3:
			return link.AnswerBody{Next: from + 1}, fmt.Sprintf("{\"page\":%d}\n", from)
		}
		return link.AnswerBody{}, "{\"page\":3}\n"
	})
	code, got := lines(t, "GET", url+"/clients")
	want := []string{`{"page":0}`, `{"page":1}`, `{"page":2}`, `{"page":3}`, `{"end":true,"unheard":["worker 0 of generation 1: it is old"]}`}
	if code != 200 || !slices.Equal(got, want) {
		t.Errorf("got %d %q", code, got)
	}
}

func TestClientsThatAreMeant(t *testing.T) {
	var asked link.ClientsQuestion
	url := workers(t, []Worker{{}}, func(_ Worker, _ uint64, q link.QuestionBody) (link.AnswerBody, string) {
		asked = link.ClientsQuestion{}
		if err := json.Unmarshal(q.Argument, &asked); err != nil || q.What != link.AskClients {
			t.Error(q.What, err)
		}
		return link.AnswerBody{}, ""
	})
	lines(t, "GET", url+"/clients?pool=a&id=3&id=4&command=GET&min_idle=5")
	if fmt.Sprint(asked) != "{a [3 4]   get  5 0 false}" {
		t.Errorf("asked: %v", asked)
	}
	lines(t, "POST", url+"/clients/kill?state=idle")
	if !asked.Kill || asked.State != "idle" {
		t.Errorf("asked: %+v", asked)
	}
	lots := "GET /clients?pool=a" // each parameter is short enough
	for i := range maxIDs {
		lots += fmt.Sprint("&id=", uint64(1)<<63+uint64(i))
	}
	for _, name := range []string{"address", "name", "command", "state"} {
		lots += "&" + name + "=" + strings.Repeat("%3C", 200)
	}
	for _, bad := range []string{lots, "POST /clients/kill", "GET /clients?pol=a", "GET /clients?id=x", "GET /clients?pool=a&pool=b", "GET /clients?min_age=-1", "GET /clients?x=%zz"} {
		method, path, _ := strings.Cut(bad, " ")
		asked = link.ClientsQuestion{Pool: "nobody"}
		if code, got := lines(t, method, url+path); code != 400 || asked.Pool != "nobody" {
			t.Errorf("%s: %d %q, %v", bad, code, got, asked)
		}
	}
}

// Whoever is refused by the loop is told why.
func TestLoopRefuses(t *testing.T) {
	rounds, done := make(chan *Round), make(chan struct{})
	mux := http.NewServeMux()
	NewDesk(rounds, done).Handle(mux)
	go func() {
		r := <-rounds
		r.Begun <- Begun{Error: "no", Failure: admin.FailureReplaced}
		close(done)
	}()
	for _, want := range []string{`"error": "no"`, `has ended`} {
		w := httptest.NewRecorder()
		mux.ServeHTTP(w, httptest.NewRequest("GET", "/clients", nil))
		if body, _ := io.ReadAll(w.Body); w.Code != 503 || !strings.Contains(string(body), want) {
			t.Errorf("got %d %s", w.Code, body)
		}
	}
}

// Answers that nobody waits for any more are given back.
func TestLateAnswers(t *testing.T) {
	a := NewAnswers(2)
	early, err := sock.MemfdSealed("test", []byte("early"))
	if err != nil {
		t.Fatal(err)
	}
	late, err := sock.MemfdSealed("test", []byte("late"))
	if err != nil {
		t.Fatal(err)
	}
	a.Put(Worker{}, link.AnswerBody{}, early)
	a.Close()
	a.Put(Worker{}, link.AnswerBody{}, late)
	for _, fd := range []int{early, late} {
		if _, err := sock.MapSealed(fd); err == nil {
			t.Errorf("descriptor %d is still open", fd)
		}
	}
}
