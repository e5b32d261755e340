// What is asked of all clients of a pool, of workers that a master connects.

package core

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/pinion-proxy/pinion/worker/link"
	"github.com/pinion-proxy/pinion/worker/sock"
)

// relay carries questions and answers between the workers, as the master does, until there are no more. It returns how many
// messages those were.
func (r *rig) relay() (messages int) {
	for busy := true; busy; {
		r.turn()
		busy = false
		for slot := range r.masters {
			for _, m := range r.said(slot) {
				busy = true
				messages++
				r.pass(slot, m)
			}
		}
	}
	return messages
}

// fromWorker is a message with its descriptors.
type fromWorker struct {
	link.Message
	fds []int
}

// said returns what a worker has said to its master, but for log lines.
func (r *rig) said(slot int) (all []fromWorker) {
	buf, fds := make([]byte, link.MaxMessageBytes), make([]int, 4)
	for {
		n, got, _, err := sock.RecvFDs(r.masters[slot].fd, buf, fds)
		if sock.Again(err) {
			return all
		}
		r.must(err)
		m, err := link.ParseMessage(append([]byte(nil), buf[:n]...))
		r.must(err)
		if m.Kind == link.Question || m.Kind == link.Answer {
			all = append(all, fromWorker{m, append([]int(nil), fds[:got]...)})
		}
	}
}

// pass does with a message what the master does.
func (r *rig) pass(from int, m fromWorker) {
	defer sock.CloseAll(m.fds)
	if m.Kind == link.Answer {
		var body link.AnswerBody
		r.must(link.ParseBody(m.Message, &body))
		to := body.Slot
		body.Slot = from
		r.must(sock.SendFDs(r.masters[to].fd, link.AppendMessage(nil, link.Message{Kind: link.Answer, Body: link.Body(body)}), m.fds))
		return
	}
	var body link.QuestionBody
	r.must(link.ParseBody(m.Message, &body))
	body.Slot = from
	for slot := range r.masters {
		if slot != from {
			r.must(sock.SendFDs(r.masters[slot].fd, link.AppendMessage(nil, link.Message{Kind: link.Question, Body: link.Body(body)}), nil))
		}
	}
}

// asksAll sends a request and returns the reply, when all workers have answered.
func (r *rig) asksAll(c *peer, args ...string) string {
	r.t.Helper()
	c.send(redisRequestOf(args...))
	r.relay()
	return string(c.take())
}

// ids returns the ids in the reply to CLIENT LIST, in order.
func ids(reply string) (all []string) {
	for _, m := range regexp.MustCompile(`(?m)^id=(\d+) `).FindAllStringSubmatch(reply, -1) {
		all = append(all, m[1])
	}
	return all
}

// threeWorkers is a rig with two pools and a client of the first with each worker; another one is of the second pool. Masters do not
// receive by themselves: relay does.
func threeWorkers(t *testing.T) (r *rig, clients []*peer, stranger *peer) {
	r = newRig(t)
	r.redisPool("s1")
	r.redisPool("s2").Name = "beta"
	r.slots = 3
	r.start()
	for _, m := range r.masters {
		m.deaf = true
	}
	for slot := range r.slots {
		clients = append(clients, r.connect(fmt.Sprint("c", slot), 0, slot))
	}
	stranger = r.connect("stranger", 1, 0)
	r.turn()
	return r, clients, stranger
}

func TestClientListOfAllWorkers(t *testing.T) {
	r, clients, stranger := threeWorkers(t)
	r.asksAll(clients[2], "CLIENT", "SETNAME", "me")
	r.advance(3 * time.Second)
	list := r.asksAll(clients[1], "CLIENT", "LIST")
	if got := fmt.Sprint(slices.Sorted(slices.Values(ids(list)))); got != "[3 4 5]" {
		t.Errorf("the list has the clients %s: %q", got, list)
	}
	for _, want := range []string{" name=me age=3 idle=3 flags=U db=0 ", " cmd=client|list user=default redir=-1 resp=2 lib-name= lib-ver=\n", " cmd=NULL "} {
		if !strings.Contains(list, want) {
			t.Errorf("no %q in %q", want, list)
		}
	}
	if got := len(ids(r.asksAll(stranger, "CLIENT", "LIST"))); got != 1 {
		t.Errorf("a client of the other pool sees %d", got)
	}
	all := ids(list)
	for request, want := range map[string]string{
		"CLIENT LIST TYPE normal":                 fmt.Sprint(all),
		"CLIENT LIST TYPE pubsub":                 "[]",
		"CLIENT LIST ID " + all[0] + " " + all[2]: fmt.Sprint([]string{all[0], all[2]}),
		"CLIENT LIST ID 999":                      "[]",
	} {
		if got := fmt.Sprint(ids(r.asksAll(clients[1], strings.Fields(request)...))); got != want {
			t.Errorf("%s: %s, want %s", request, got, want)
		}
	}
	for request, want := range map[string]string{
		"CLIENT LIST TYPE nosuch": "-ERR Unknown client type 'nosuch'\r\n",
		"CLIENT LIST ID x":        "-ERR Invalid client ID\r\n",
		"CLIENT LIST ID":          "-ERR syntax error\r\n",
		"CLIENT LIST what":        "-ERR syntax error\r\n",
		"CLIENT LIST ID " + strings.Repeat("123456789 ", 600): "-ERR 'client|list' of more than 5120 bytes is not supported by pinion\r\n",
	} {
		if got := r.asksAll(clients[1], strings.Fields(request)...); got != want {
			t.Errorf("%s: %q", request, got)
		}
	}
}

func TestClientKillOfAllWorkers(t *testing.T) {
	r, clients, stranger := threeWorkers(t)
	all := ids(r.asksAll(clients[0], "CLIENT", "LIST"))
	if got := r.asksAll(stranger, "CLIENT", "KILL", "ID", all[1]); got != ":0\r\n" || clients[1].ended || clients[2].ended {
		t.Errorf("a client of another pool: %q", got)
	}
	if got := r.asksAll(clients[0], "CLIENT", "KILL", "ID", all[1]); got != ":1\r\n" || clients[1].ended == clients[2].ended {
		t.Errorf("by id: %q, %v, %v", got, clients[1].ended, clients[2].ended)
	}
	if got := r.asksAll(clients[0], "CLIENT", "KILL", "MAXAGE", "5"); got != ":0\r\n" {
		t.Errorf("by age: %q", got)
	}
	r.advance(5 * time.Second)
	if got := r.asksAll(clients[0], "CLIENT", "KILL", "MAXAGE", "5", "USER", "default"); got != ":1\r\n" || clients[0].ended || !clients[1].ended || !clients[2].ended {
		t.Errorf("by age: %q, %v, %v, %v", got, clients[0].ended, clients[1].ended, clients[2].ended)
	}
	for request, want := range map[string]string{
		"CLIENT KILL 1.2.3.4:5":         "-ERR No such client\r\n",
		"CLIENT KILL ID 0":              "-ERR client-id should be greater than 0\r\n",
		"CLIENT KILL TYPE x":            "-ERR Unknown client type 'x'\r\n",
		"CLIENT KILL TYPE master":       ":0\r\n",
		"CLIENT KILL USER x":            "-ERR No such user 'x'\r\n",
		"CLIENT KILL SKIPME x":          "-ERR syntax error\r\n",
		"CLIENT KILL MAXAGE x":          "-ERR maxage is not an integer or out of range\r\n",
		"CLIENT KILL MAXAGE 0":          "-ERR maxage should be greater than 0\r\n",
		"CLIENT KILL ID 1 ADDR":         "-ERR syntax error\r\n",
		"CLIENT KILL ADDR x LADDR y":    ":0\r\n",
		"CLIENT KILL ADDR x SKIPME yes": ":0\r\n",
	} {
		if got := r.asksAll(clients[0], strings.Fields(request)...); got != want {
			t.Errorf("%s: %q", request, got)
		}
	}
	clients[0].send(redisRequestOf("PING"))
	if got := r.asksAll(clients[0], "CLIENT", "KILL", "TYPE", "normal", "SKIPME", "no"); got != "+PONG\r\n:1\r\n" {
		t.Errorf("itself: %q", got)
	}
	clients[0].send(redisRequestOf("PING"))
	r.advance(3 * time.Second)
	if got := string(clients[0].take()); got != "" || !clients[0].ended {
		t.Errorf("after that: %q, ended %v", got, clients[0].ended)
	}
}

// A worker that does not answer must not let clients wait for ever, nor what others ask.
func TestQuestionOfSilentWorker(t *testing.T) {
	r, clients, stranger := threeWorkers(t)
	for _, c := range []*peer{clients[0], stranger} {
		c.send(redisRequestOf("CLIENT", "LIST"))
		c.send(redisRequestOf("PING"))
	}
	r.turn()
	var questions []fromWorker
	for questions = r.said(0); len(questions) != 1; {
		t.Fatalf("%d questions are asked at once", len(questions))
	}
	r.advance(questionTime)
	for _, c := range []*peer{clients[0], stranger} {
		if got := string(c.take()); got != "-"+errWorkerSilent+"\r\n+PONG\r\n" {
			t.Errorf("%s gets %q", c.name, got)
		}
	}
	for _, m := range append(questions, r.said(0)...) { // late answers find nobody
		r.pass(0, m)
	}
	r.relay()
	if got := len(ids(r.asksAll(clients[0], "CLIENT", "LIST"))); got != 3 {
		t.Errorf("then there are %d clients", got)
	}
	clients[0].send(redisRequestOf("CLIENT", "LIST")) // a client that does not wait for the answer
	r.turn()
	clients[0].hangUp()
	r.relay()
	r.advance(questionTime)
	if got := len(ids(r.asksAll(clients[1], "CLIENT", "LIST"))); got != 2 {
		t.Errorf("without it there are %d clients", got)
	}
}

// Many clients are described in several turns.
func TestClientListIsSliced(t *testing.T) {
	r, clients, _ := threeWorkers(t)
	r.unchecked = true
	const crowd = 300
	for i := range crowd {
		r.connect(fmt.Sprint("more", i), 0, i%r.slots)
	}
	r.turn()
	turns := *r.workers[0].turns
	if got := len(ids(r.asksAll(clients[0], "CLIENT", "LIST"))); got != crowd+3 {
		t.Errorf("the list has %d clients", got)
	}
	if after := *r.workers[0].turns; after-turns < 3 {
		t.Errorf("it was made in %d turns", after-turns)
	}
}

// A client is as old as its connection, whichever worker has it.
func TestAgeMovesWithClient(t *testing.T) {
	r, before, next := twoGenerations(t, nil)
	c := r.connect("c", 0, 0)
	r.advance(10 * time.Second)
	r.instruct(before, link.MoveClients, link.MoveClientsBody{Patience: time.Second})
	r.turn()
	c.send(redisRequestOf("CLIENT", "INFO"))
	r.turn()
	if got := string(c.take()); next.clients != 1 || !strings.Contains(got, " age=10 ") || !strings.Contains(got, " cmd=client|info ") {
		t.Errorf("after a move: %d clients, %q", next.clients, got)
	}
}

// Without a master nobody can be asked.
func TestQuestionOfOrphan(t *testing.T) {
	r, clients, _ := threeWorkers(t)
	r.masters[0].hangUp()
	r.turn()
	clients[0].send(redisRequestOf("CLIENT", "LIST"))
	r.turn()
	if got := string(clients[0].take()); got != "-"+errNoMaster+"\r\n" {
		t.Errorf("got %q", got)
	}
}

// A paused pool's clients wait, with every worker; those of another pool do not.
func TestClientPauseOfAllWorkers(t *testing.T) {
	r, clients, stranger := threeWorkers(t)
	ping := func(c *peer) string {
		c.send(redisRequestOf("PING"))
		r.turn()
		return string(c.take())
	}
	if got := r.asksAll(clients[0], "CLIENT", "PAUSE", "1000"); got != "+OK\r\n" {
		t.Fatalf("got %q", got)
	}
	for _, c := range clients {
		if got := ping(c); got != "" {
			t.Errorf("%s gets %q", c.name, got)
		}
	}
	if got := ping(stranger); got != "+PONG\r\n" {
		t.Errorf("the stranger gets %q", got)
	}
	r.asksAll(stranger, "CLIENT", "PAUSE", "0")
	r.advance(time.Second - 1)
	for _, c := range clients {
		if got := string(c.take()); got != "" {
			t.Errorf("%s gets %q too early", c.name, got)
		}
	}
	r.advance(1)
	for _, c := range append(clients, stranger) {
		if got, want := string(c.take())+ping(c), "+PONG\r\n"; got != want+want && c != stranger || c == stranger && got != want {
			t.Errorf("%s gets %q", c.name, got)
		}
	}
	r.asksAll(clients[0], "CLIENT", "PAUSE", "100000", "write")
	if got := ping(clients[1]); got != "+PONG\r\n" {
		t.Errorf("while writes are paused: %q", got)
	}
	clients[1].send(redisRequestOf("SET", "k", strings.Repeat("v", 2*longBytes)))
	if got := ping(clients[1]); got != "" {
		t.Errorf("behind a write: %q", got)
	}
	if got := r.asksAll(clients[2], "CLIENT", "UNPAUSE"); got != "+OK\r\n" {
		t.Errorf("got %q", got)
	}
	r.servers[0].conns[0].send([]byte("+OK\r\n"))
	r.turn()
	if got := string(clients[1].take()); got != "+OK\r\n+PONG\r\n" {
		t.Errorf("after the pause: %q", got)
	}
}

// Questions and answers of builds that have something else in mind do no harm; who asks what cannot be read is told so.
func TestStrayQuestions(t *testing.T) {
	r, clients, _ := threeWorkers(t)
	ask := func(body link.QuestionBody) link.Message {
		return link.Message{Kind: link.Question, Body: link.Body(body)}
	}
	for _, m := range []link.Message{
		{Kind: link.Question, Body: []byte("{")}, {Kind: link.Answer, Body: []byte("{")}, {Kind: link.Answer},
		{Kind: link.Answer, Body: link.Body(link.AnswerBody{ID: 1, Slot: 99, Count: 1})},
	} {
		r.tell(m)
	}
	for slot := range r.masters {
		if said := r.said(slot); len(said) > 0 {
			t.Errorf("worker %d answers %v", slot, said)
		}
	}
	list := redisRequestOf("CLIENT", "LIST")
	for _, body := range []link.QuestionBody{
		{ID: 7}, {ID: 7, Pool: 2, Request: list}, {ID: 7, Pool: -1, Request: list}, {ID: 7, Request: list[:10]},
		{ID: 7, Request: redisRequestOf("FLUSHALL")}, {ID: 7, Request: redisRequestOf("CLIENT")}, {ID: 7, Request: redisRequestOf("NOSUCH")},
		{ID: 7, Request: redisRequestOf("CLIENT", "KILL")}, {ID: 7, Request: redisRequestOf("CLIENT", "LIST", "x")},
	} {
		r.tell(ask(body))
		for slot := range r.masters {
			said := r.said(slot)
			var answer link.AnswerBody
			if len(said) == 1 {
				r.must(link.ParseBody(said[0].Message, &answer))
			}
			if len(said) != 1 || said[0].Kind != link.Answer || answer.ID != 7 || !strings.HasPrefix(answer.Failed, "ERR ") {
				t.Errorf("%q: worker %d answers %v", body.Request, slot, said)
			}
		}
	}
	if got := len(ids(r.asksAll(clients[0], "CLIENT", "LIST"))); got != 3 {
		t.Errorf("then there are %d clients", got)
	}
	clients[0].send(list) // one whose answers come with a failure, and then again
	r.turn()
	var question link.QuestionBody
	r.must(link.ParseBody(r.said(0)[0].Message, &question))
	for range 2 {
		_, err := sock.Send(r.masters[0].fd, link.AppendMessage(nil, link.Message{Kind: link.Answer, Body: link.Body(link.AnswerBody{ID: question.ID, Failed: "ERR no"})}))
		r.must(err)
		r.turn()
	}
	if got := string(clients[0].take()); got != "-ERR no\r\n" {
		t.Errorf("got %q", got)
	}
}

// A client that a pause keeps waiting is not idle.
func TestPausedClientIsNotIdle(t *testing.T) {
	r := newRig(t)
	r.redisPool("s1").ClientIdleTimeout = 2 * time.Second
	r.start()
	waits, idle := r.connect("waits", 0, 0), r.connect("idle", 0, 0)
	waits.send(redisRequestOf("CLIENT", "PAUSE", "10000"))
	r.turn()
	waits.send(redisRequestOf("PING"))
	r.turn()
	r.advance(10 * time.Second)
	if got := string(waits.take()); got != "+OK\r\n+PONG\r\n" || waits.ended || !idle.ended {
		t.Errorf("got %q, ended: %v; an idle one: %v", got, waits.ended, idle.ended)
	}
	r.advance(5 * time.Second)
	if !waits.ended {
		t.Error("it is not closed when it is idle")
	}
}

// A worker that is to end does not wait for the end of a pause: what its clients have asked is carried out.
func TestPauseEndsWithDrain(t *testing.T) {
	r := newRig(t)
	r.redisPool("s1")
	r.start()
	c := r.connect("c", 0, 0)
	c.send(redisRequestOf("CLIENT", "PAUSE", "100000"))
	c.send(redisRequestOf("PING"))
	r.turn()
	r.tell(link.Message{Kind: link.Drain, Body: link.DrainBody(0)})
	if got := string(c.take()); got != "+OK\r\n+PONG\r\n" || !c.ended || !r.workers[0].ended {
		t.Errorf("got %q, ended: %v; the worker: %v", got, c.ended, r.workers[0].ended)
	}
}
