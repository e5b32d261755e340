// What a worker tells the master, a page at a time.

package core

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/pinion-proxy/pinion/worker/link"
	"github.com/pinion-proxy/pinion/worker/sock"
)

// told asks a worker, as the master does, and returns its answer and the text that came with it.
func (r *rig) told(slot int, q link.QuestionBody) (answer link.AnswerBody, text []byte) {
	r.t.Helper()
	q.ID, q.Slot = 7, link.MasterAsks
	_, err := sock.Send(r.masters[slot].fd, link.AppendMessage(nil, link.Message{Kind: link.Question, Body: link.Body(q)}))
	r.must(err)
	r.turn()
	said := r.said(slot)
	if len(said) != 1 || said[0].Kind != link.Answer {
		r.t.Fatalf("the worker says %v", said)
	}
	r.must(link.ParseBody(said[0].Message, &answer))
	if answer.ID != 7 || answer.Slot != link.MasterAsks {
		r.t.Fatalf("the answer is %+v", answer)
	}
	for _, fd := range said[0].fds[:min(1, len(said[0].fds))] {
		mapped, err := sock.MapSealed(fd)
		r.must(err)
		text = append(text, mapped...)
		r.must(sock.Unmap(mapped))
	}
	sock.CloseAll(said[0].fds)
	return answer, text
}

// clientsTold asks a worker for clients, page by page.
func (r *rig) clientsTold(slot int, meant link.ClientsQuestion) (all []link.ClientState, pages int) {
	r.t.Helper()
	q := link.QuestionBody{What: link.AskClients, Argument: link.Body(meant)}
	for {
		answer, text := r.told(slot, q)
		if answer.Failed != "" {
			r.t.Fatal(answer.Failed)
		}
		pages++
		for line := range bytes.Lines(text) {
			var c link.ClientState
			r.must(json.Unmarshal(line, &c))
			all = append(all, c)
		}
		if q.From = answer.Next; q.From == 0 {
			return all, pages
		}
	}
}

func TestMasterAsksForClients(t *testing.T) {
	r, clients, _ := threeWorkers(t)
	r.asksAll(clients[0], "CLIENT", "SETNAME", "me")
	r.asksAll(clients[0], "GET", "k")
	r.advance(3 * time.Second)
	all, _ := r.clientsTold(0, link.ClientsQuestion{})
	if len(all) != 2 || all[0].Name != "me" && all[1].Name != "me" {
		t.Fatalf("there are %+v", all)
	}
	me := all[slices.IndexFunc(all, func(c link.ClientState) bool { return c.Name == "me" })]
	if me.Pool != "alpha" || me.State != "active" || me.Queue != 1 || me.IdleSeconds != 3 || me.Command != "get" || me.TLS != link.TLSNone || me.Transaction != -1 || me.Protocol != 2 {
		t.Errorf("it is told of as %+v", me)
	}
	for want, meant := range map[int][]link.ClientsQuestion{
		0: {{Name: "you"}, {Command: "set"}, {MinIdle: 4}, {IDs: []uint64{1}}, {Address: "10.0.0.1"}, {Pool: "alpha", State: "idle"}},
		1: {{Name: "me"}, {Command: "get"}, {Pool: "beta"}, {State: "active"}, {IDs: []uint64{1, me.ID}}, {Pool: "alpha", MinIdle: 3, MinAge: 3}},
		2: {{}, {MinAge: 3}, {Address: me.Address}},
	} {
		for _, q := range meant {
			if got, _ := r.clientsTold(0, q); len(got) != want {
				t.Errorf("%+v: %+v", q, got)
			}
		}
	}
}

func TestMasterKillsClients(t *testing.T) {
	r, clients, stranger := threeWorkers(t)
	if got, _ := r.clientsTold(0, link.ClientsQuestion{Pool: "alpha", Kill: true}); len(got) != 1 || !clients[0].ended || stranger.ended || clients[1].ended {
		t.Errorf("closed: %+v", got)
	}
	if got, _ := r.clientsTold(0, link.ClientsQuestion{}); len(got) != 1 {
		t.Errorf("then there are %+v", got)
	}
}

// Many clients are told of in several pages, none of them twice, each in several turns.
func TestClientsAreToldInPages(t *testing.T) {
	r, _, _ := threeWorkers(t)
	r.unchecked = true
	const crowd = 900
	for i := range crowd {
		r.connect(fmt.Sprint("more", i), 0, 0)
	}
	r.turn()
	turns := *r.workers[0].turns
	all, pages := r.clientsTold(0, link.ClientsQuestion{Pool: "alpha"})
	slices.SortFunc(all, func(a, b link.ClientState) int { return int(int64(a.ID) - int64(b.ID)) })
	all = slices.CompactFunc(all, func(a, b link.ClientState) bool { return a.ID == b.ID })
	if len(all) != crowd+1 || pages < 3 || *r.workers[0].turns-turns < 3 {
		t.Errorf("%d clients in %d pages and %d turns", len(all), pages, *r.workers[0].turns-turns)
	}
}

// What a worker does not know it says, and it serves on.
func TestMasterAsksWhatIsNotKnown(t *testing.T) {
	r, clients, _ := threeWorkers(t)
	for _, q := range []link.QuestionBody{
		{}, {What: "weather"}, {What: link.AskClients, Argument: []byte(`{"pool":7}`)}, {What: link.AskClients, Argument: []byte(`{"pool":"gamma"}`)},
	} {
		if answer, text := r.told(1, q); answer.Failed == "" || len(text) > 0 {
			t.Errorf("%+v: %+v %q", q, answer, text)
		}
	}
	if answer, text := r.told(1, link.QuestionBody{What: link.AskClients, From: 1 << 40}); answer.Failed != "" || answer.Next != 0 || len(text) > 0 {
		t.Errorf("far beyond: %+v %q", answer, text)
	}
	if got := r.asksAll(clients[1], "PING"); !strings.HasPrefix(got, "+PONG") {
		t.Errorf("got %q", got)
	}
}
