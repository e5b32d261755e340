package survey

import (
	"bufio"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/pinion-proxy/pinion/worker/link"
)

// Lines of several workers come in the order of time; a worker that does not know what is asked does not keep the others from it.
func TestMonitorMergesWorkers(t *testing.T) {
	var asked link.MonitorQuestion
	rounds := 0
	url := workers(t, []Worker{{4, 0, 1}, {4, 1, 2}, {3, 1, 3}}, func(w Worker, _ uint64, q link.QuestionBody) (link.AnswerBody, string) {
		before := asked.Observation
		if err := json.Unmarshal(q.Argument, &asked); err != nil || q.What != link.AskMonitor || before != 0 && before != asked.Observation {
			t.Error(q, err)
		}
		if w.PID == 3 {
			rounds++
			return link.AnswerBody{Failed: "it is old"}, ""
		}
		at := 1763816538000000 + 10*rounds
		return link.AnswerBody{}, fmt.Sprintf("{\"at_us\":%d}\n{\"at_us\":%d}\n", at+w.Slot, at+5-w.Slot)
	})
	response, err := http.Get(url + "/monitor?prefix=a&every=3&rate=50&command=GET")
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	var got []string
	for lines := bufio.NewScanner(response.Body); len(got) < 8 && lines.Scan(); {
		got = append(got, lines.Text())
	}
	if len(got) != 8 || !slices.IsSorted(got) {
		t.Errorf("got %q", got)
	}
	if string(asked.Prefix) != "a" || asked.Every != 3 || asked.Rate != 50 || asked.Command != "get" {
		t.Errorf("asked: %+v", asked)
	}
}

// While a worker hangs, the others can be watched, though nothing comes from them at first.
func TestMonitorBesideOneThatHangs(t *testing.T) {
	rounds := 0
	url := workers(t, []Worker{{1, 0, 1}, {1, 1, 2}}, func(w Worker, _ uint64, _ link.QuestionBody) (link.AnswerBody, string) {
		if w.Slot == 1 {
			return link.AnswerBody{Failed: "it hangs"}, ""
		}
		if rounds++; rounds == 1 {
			return link.AnswerBody{}, ""
		}
		return link.AnswerBody{}, "{\"at_us\":1763816538000000}\n"
	})
	response, err := http.Get(url + "/monitor")
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	if in := bufio.NewScanner(response.Body); response.StatusCode != http.StatusOK || !in.Scan() {
		t.Errorf("got %s, %q", response.Status, in.Text())
	}
}

func TestMonitorRefuses(t *testing.T) {
	url := workers(t, []Worker{{1, 0, 1}}, func(Worker, uint64, link.QuestionBody) (link.AnswerBody, string) {
		return link.AnswerBody{Failed: "no"}, ""
	})
	for query, want := range map[string]int{
		"": 500, "rate=0": 400, "rate=5001": 400, "every=0": 400, "every=x": 400, "pol=a": 400, "pool=": 400, "%zz": 400, "prefix=" + strings.Repeat("x", maxPrefix): 500, "prefix=" + strings.Repeat("x", maxPrefix+1): 400, "name=" + strings.Repeat("<", 2000): 400,
	} {
		if code, got := lines(t, "GET", url+"/monitor?"+query); code != want {
			t.Errorf("%q: %d %q", query, code, got)
		}
	}
}
