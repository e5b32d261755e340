// Transcripts: the master's whole policy, played on a fake machine with a stepped clock and written down in testdata.
// Lines that begin with "> " happen to the master; the lines below are what it does, each with the seconds since the
// start.

package master

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/pinion-proxy/pinion/master/admin"
	"github.com/pinion-proxy/pinion/master/config"
	"github.com/pinion-proxy/pinion/master/discover"
	"github.com/pinion-proxy/pinion/master/process"
	"github.com/pinion-proxy/pinion/master/systemd"
	"github.com/pinion-proxy/pinion/master/totals"
	"github.com/pinion-proxy/pinion/worker/link"
	"github.com/pinion-proxy/pinion/worker/transcript"
)

func TestTranscripts(t *testing.T) {
	transcript.Run(t, func(t *testing.T) transcript.Stage {
		machine := newMachine()
		return func(line string) (seen string) {
			machine.happen(t, strings.Fields(line))
			defer machine.log.Reset()
			return machine.log.String()
		}
	})
}

// happen carries out one line: a word and its arguments.
func (f *machine) happen(t *testing.T, words []string) {
	args := words[1:]
	if words[0] != "start" && f.master == nil {
		t.Fatalf("%v before start", words)
	}
	switch words[0] {
	case "start": // option=value…, see configure
		f.start(t, args)
	case "ready": // slot, unreachable server of the first pool [@address, if that may change]…
		var body link.ReadyBody
		for _, text := range args[1:] {
			server, address, _ := strings.Cut(text, "@")
			body.Unreachable = append(body.Unreachable, link.Unreachable{
				Pool: f.master.generations.coming.pools[0].Name, Server: server, Error: "refused", Address: address,
			})
		}
		f.say(t, args[0], link.Message{Kind: link.Ready, Body: link.Body(body)})
	case "given": // slot moved stragglers
		f.say(t, args[0], link.Message{Kind: link.ClientsMoved, Body: link.Body(link.ClientsMovedBody{
			Moved: number(t, args[1]), Stragglers: number(t, args[2]), LongestPause: time.Millisecond,
		})})
	case "starved": // slot moved stragglers: the new worker has no room for these
		f.say(t, args[0], link.Message{Kind: link.ClientsMoved, Body: link.Body(link.ClientsMovedBody{
			Moved: number(t, args[1]), Stragglers: number(t, args[2]), Starved: true, Reason: "no room for them",
		})})
	case "hung": // slot, slot of the new worker
		f.say(t, args[0], link.Message{Kind: link.PeerFailed, Body: link.Body(link.PeerFailedBody{
			Slot: number(t, args[1]), Hung: true, Reason: "does not answer",
		})})
	case "unjoined": // slot, slot of the other worker: the connection has not come
		f.say(t, args[0], link.Message{Kind: link.PeerFailed, Body: link.Body(link.PeerFailedBody{
			Slot: number(t, args[1]), Unjoined: true, Reason: "no descriptor is free",
		})})
	case "broken": // slot, slot of the new worker
		f.say(t, args[0], link.Message{Kind: link.PeerFailed, Body: link.Body(link.PeerFailedBody{
			Slot: number(t, args[1]), Reason: "garbage",
		})})
	case "gone": // slot, slot of the new worker: it has closed the connection
		f.say(t, args[0], link.Message{Kind: link.PeerFailed, Body: link.Body(link.PeerFailedBody{
			Slot: number(t, args[1]), Gone: true, Reason: "it is gone",
		})})
	case "other": // kind [slot] [reason…], said by the other master
		f.otherSays(t, args)
	case "aside": // [next] what waits beside the loop is done, or the next of it
		for len(f.beside) > 0 {
			work := f.beside[0]
			f.beside = f.beside[1:]
			then := work()
			f.master.handle(event{then: then})
			if len(args) > 0 {
				break
			}
		}
	case "relocate": // version, address: of the first server of the first pool, which discovers
		p := f.discovered(t, args)
		f.master.takeTopology(&link.Topology{Pools: []link.PoolTopology{p}})
		f.master.passToNewMaster(p)
	case "found": // address, epoch [stale or moved] [replica=ADDRESS]…: of the master that is followed
		f.find(args[0], uint64(number(t, args[1])), args[2:])
	case "zone": // address, zone: a server that is looked at has said so
		f.inZone(args[0], args[1])
	case "nodes": // place=address[:slots]… of the cluster that is followed
		f.followed(discover.News{Servers: nodes(args)})
	case "doubts": // slot, pool, server: it is not what the topology says
		f.say(t, args[0], link.Message{Kind: link.Stale, Body: link.Body(link.StaleBody{Pool: number(t, args[1]), Server: number(t, args[2])})})
	case "led": // sentinel, or why it does not lead the failover
		if len(args) > 1 {
			f.led("", errors.New(strings.Join(args, " ")))
			break
		}
		f.led(args[0], nil)
	case "switched": // slot: its worker has done what it was last told of the topology
		f.say(t, args[0], link.Message{Kind: link.Switched})
	case "unfound": // why
		f.followed(discover.News{Problems: []string{strings.Join(args, " ")}})
	case "unsaid": // kind of a word that the other master does not take
		f.other(message{}, &unsent{messageKind(args[0]), os.ErrDeadlineExceeded})
	case "child": // ready, or how it ended
		err := errors.New(strings.Join(args, " "))
		if args[0] == "ready" {
			err = nil
		}
		f.childEnded(err)
	case "ask": // reload, upgrade or status
		f.ask(t, args)
	case "lent": // slot address…
		f.lend(t, args)
	case "asks": // slot, what: the worker asks the others
		f.say(t, args[0], link.Message{Kind: link.Question, Body: link.Body(link.QuestionBody{ID: 7, Request: []byte(args[1])})})
	case "answers": // slot, slot of the worker that has asked [text]
		f.answer(t, args[0], number(t, args[1]), args[2:])
	case "survey": // [by=PID]: all workers are asked
		f.survey(t, args)
	case "manager": // has taken in all up to a barrier; or: deaf, hears
		f.managerDoes(t, args)
	case "totals":
		sums := summed(f.master)
		f.printf("totals: %d requests, %d clients", sums.Requests, sums.Clients)
	case "log": // slot level text…
		body := append([]byte{byte(number(t, args[1]))}, strings.Join(args[2:], " ")...)
		f.say(t, args[0], link.Message{Kind: link.Log, Body: body})
	case "leaving": // slot
		f.say(t, args[0], link.Message{Kind: link.Leaving})
	case "stderr": // slot text…
		f.hear(process.Event{From: f.worker(t, args[0]), Kind: process.Wrote, Text: strings.Join(args[1:], " ")})
	case "hangup": // slot
		f.hear(process.Event{From: f.worker(t, args[0]), Kind: process.HungUp})
	case "exit": // slot status…
		p := f.worker(t, args[0])
		f.hear(process.Event{From: p, Kind: process.HungUp})
		f.hear(process.Event{From: p, Kind: process.Exited, Text: strings.Join(args[1:], " ")})
	case "struck": // slot status…, by a signal that is meant for the service
		p := f.worker(t, args[0])
		p.Struck = true
		f.hear(process.Event{From: p, Kind: process.Exited, Text: strings.Join(args[1:], " ")})
	case "signal": // name
		f.master.signal(signalNamed(t, args[0]))
	case "keeper": // name of a signal [again] [second], or end
		if args[0] == "end" {
			f.master.keeperGone(io.EOF)
			return
		}
		f.master.keeperSignal(keeperMessage{Signal: args[0], Again: slices.Contains(args, "again"), Second: slices.Contains(args, "second")})
	case "readyz": // what load balancers are told
		f.printf("unready: %q", f.master.unready())
	case "advance": // duration
		f.advance(t, args[0])
	case "machine": // option=value…, see configure
		f.configure(t, args)
	default:
		t.Fatalf("unknown event %q", words[0])
	}
	f.join()
	f.ended()
}

// join has workers say that they have their connections.
func (f *machine) join() {
	for len(f.joins) > 0 {
		next := f.joins[0]
		f.joins = f.joins[1:]
		f.hear(next)
	}
}

// advance lets time pass, stopping at every deadline as the loop's timer would.
func (f *machine) advance(t *testing.T, by string) {
	d, err := time.ParseDuration(by)
	if err != nil {
		t.Fatal(err)
	}
	until := f.clock.Add(d)
	for {
		next := f.master.deadline()
		if next.IsZero() || next.After(until) {
			break
		}
		f.clock = next
		f.turn()
		f.master.tick()
		f.join()
		if f.master.deadline() == next {
			t.Fatalf("the deadline %s is due again after it was served", next.Sub(f.master.startedAt))
		}
	}
	f.clock = until
}

func (f *machine) say(t *testing.T, slot string, m link.Message) {
	f.hear(process.Event{From: f.worker(t, slot), Kind: process.Said, Message: m})
}

// hear has the master hear of a worker.
func (f *machine) hear(n process.Event) { f.reports[n.From](n) }

// worker returns the latest process of a slot, which may be a dead one.
func (f *machine) worker(t *testing.T, slot string) *process.Worker {
	p := f.workers[slot]
	if p == nil {
		t.Fatalf("slot %s never had a worker", slot)
	}
	return p
}

// ended prints the result of Run as soon as there is one.
func (f *machine) ended() {
	f.answers()
	if f.master.phase == stopped && !f.finished {
		f.finished = true
		f.printf("run returns: %v", f.master.finish())
	}
}

func signalNamed(t *testing.T, name string) syscall.Signal {
	for s, w := range watched {
		if w.name == name {
			return s.(syscall.Signal)
		}
	}
	t.Fatalf("signal %s is not watched", name)
	return 0
}

func number(t *testing.T, text string) int {
	n, err := strconv.Atoi(text)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// printf adds a line to the transcript.
func (f *machine) printf(format string, args ...any) {
	since := f.clock.Sub(epoch).Seconds()
	fmt.Fprintf(&f.log, "%8.3f %s\n", since, fmt.Sprintf(format, args...))
}

// otherSays has the other master say something.
func (f *machine) otherSays(t *testing.T, args []string) {
	if args[0] == "mumble" {
		f.other(message{}, errors.New("descriptors are missing"))
		return
	}
	if args[0] == "end" {
		f.other(message{}, io.EOF)
		return
	}
	msg := message{Kind: messageKind(args[0])}
	switch msg.Kind {
	case messageReturned: // clients that could not come back yet
		if len(args) > 1 {
			msg.Kept = number(t, args[1])
		}
	case messageHello:
		msg.Oldest, msg.Newest, msg.Build, msg.PID, msg.Intents = 1, 1, "1.3.0", 2000, !f.older
		switch {
		case len(args) > 1 && args[1] == "obeys": // leaves it to the old side to tell the service manager
			msg.Obeys = true
		case len(args) > 1:
			msg.Oldest, msg.Newest = number(t, args[1]), number(t, args[1])
		}
	case messageWelcome:
		if k := slices.Index(args, "at"); k > 0 { // at version address
			msg.Topology, msg.Pools = &link.Topology{Pools: []link.PoolTopology{f.discovered(t, args[k+1:])}}, poolNames(f.configured(t))
		}
		msg.Declares, msg.Recounts = slices.Contains(args, "declares"), slices.Contains(args, "recounts")
		msg.PID, msg.Keeper = 999, f.keeper
		msg.Version, msg.Generation, msg.StartedAt, msg.Stored = 1, 7, epoch.Add(-time.Hour), []string{"spec/7", "worker/7/0/900"}
		msg.Intents, msg.Stays = !f.older, f.stays
		msg.Verbosity = f.otherVerbosity
	case messageSockets:
		if http, has := strings.CutPrefix(args[1], "http="); has { // in a message of its own, before the others
			f.lastFD++
			msg.HTTP, msg.fds, msg.More = &socketName{Name: "http", Network: "tcp", Address: http}, []int{f.lastFD}, true
			break
		}
		for _, name := range args[1:] {
			f.lastFD++
			msg.fds = append(msg.fds, f.lastFD)
			slot, _ := strconv.Atoi(filepath.Base(name))
			msg.Sockets = append(msg.Sockets, socketName{Name: name, Network: "tcp", Address: "127.0.0.1:22121", Slot: slot})
		}
	case messagePrepared:
		msg.Slots, msg.Build = number(t, args[1]), "1.3.0"
	case messagePeer:
		f.lastFD++
		msg.From, msg.Slot, msg.fds = number(t, args[1]), number(t, args[2]), []int{f.lastFD}
		if len(args) > 3 { // of an earlier generation
			msg.Generation = uint64(number(t, args[3]))
		}
	case messageCounters: // generation, slots, requests so far
		f.lastFD++
		msg.Generation, msg.Slots, msg.fds = uint64(number(t, args[1])), number(t, args[2]), []int{f.lastFD}
		of := f.master.generations.coming
		if of == nil {
			of = f.master.generations.serving
		}
		msg.Pools = poolNames(of.pools)
		msg.Bytes = link.CounterBytes(link.ServerCounts(msg.Pools), msg.Slots)
		if args[3] == "unknown" { // this version lays them out otherwise
			msg.Bytes += 8
			break
		}
		f.counted[f.lastFD] = counted{msg.Pools, msg.Slots, number(t, args[3])}
	case messageWorker: // generation, slot, pid, for how long
		f.lastFD++
		msg.Generation, msg.Slot, msg.PID, msg.fds = uint64(number(t, args[1])), number(t, args[2]), number(t, args[3]), []int{f.lastFD}
		msg.Left = duration(t, args[4])
	case messageAgain, messageSuspect:
		msg.Slot = number(t, args[1])
	case messageGo:
		msg.Legacy = &totals.Sums{}
	case messageFarewell: // intents that wait…
		msg.Legacy, msg.Waiting = &totals.Sums{}, args[1:]
	case messageMoved:
		msg.Result = &admin.HandoffStatus{Kind: kindUpgrade, Generation: 8, At: f.clock, Moved: 5}
	case messageSettled:
		if len(args) > 1 { // clients that new workers have died with
			msg.Lost, msg.LostReason = number(t, args[1]), "new worker 1: signal: killed"
		}
	case messageFailed, messageAbort: // [intent=name] reason…
		if name, found := strings.CutPrefix(args[1], "intent="); found {
			msg.Intent, args = name, args[1:]
		}
		msg.Reason = strings.Join(args[1:], " ")
	case messageTopology: // version, address
		msg.Topology = &link.Topology{Pools: []link.PoolTopology{f.discovered(t, args[1:])}}
	case messageIntent: // its name, or verbosity=N
		msg.Intent = strings.Join(args[1:], " ")
		if text, ok := strings.CutPrefix(msg.Intent, "verbosity="); ok {
			verbosity := number(t, text)
			msg.Intent, msg.Verbosity = "", &verbosity
		}
	}
	for _, arg := range args { // of welcome and agreed: the drain that is announced
		if left, found := strings.CutPrefix(arg, "drain="); found {
			msg.Drain = &drainNews{Since: f.clock, Over: duration(t, left), Left: duration(t, left)}
		}
	}
	f.other(msg, nil)
}

// configured returns the pools of the configuration.
func (f *machine) configured(t *testing.T) []link.Pool {
	cfg, err := config.Parse("pinion.conf", []byte(f.text))
	if err != nil {
		t.Fatal(err)
	}
	return cfg.Specs(link.Spec{}, []int{0})[0].Pools
}

// discovered is what a discoverer finds of the first pool: a version, and the address of the first server, or the nodes of its cluster.
func (f *machine) discovered(t *testing.T, args []string) link.PoolTopology {
	p := link.StaticTopology(f.configured(t)).Pools[0]
	if p.Cluster {
		p.Version, p.Servers = uint64(number(t, args[0])), nodes(args[1:])
		return p
	}
	p.Version, p.Discovers, p.Servers[0].Endpoints[0].Address = uint64(number(t, args[0])), true, args[1]
	return p
}

// lend has a worker lend listeners.
func (f *machine) lend(t *testing.T, args []string) {
	var body link.LentBody
	var fds []int
	for _, address := range args[1:] {
		f.lastFD++
		fds = append(fds, f.lastFD)
		body.Listeners = append(body.Listeners, link.Listener{Network: "tcp", Address: address})
	}
	f.hear(process.Event{From: f.worker(t, args[0]), Kind: process.Said, Message: link.Message{Kind: link.Lent, Body: link.Body(body)}, FDs: fds})
}

// answer has a worker answer what another one has asked, with a memory file of its own if text is wanted.
func (f *machine) answer(t *testing.T, slot string, asker int, text []string) {
	var fds []int
	for range text {
		f.lastFD++
		fds = append(fds, f.lastFD)
	}
	body := link.AnswerBody{ID: 7, Slot: asker, Count: 3}
	if asker == link.MasterAsks {
		body.ID = f.master.surveys.lastID
	}
	f.hear(process.Event{From: f.worker(t, slot), Kind: process.Said, Message: link.Message{Kind: link.Answer, Body: link.Body(body)}, FDs: fds})
}

// managerDoes is what a service manager does by itself.
func (f *machine) managerDoes(t *testing.T, args []string) {
	switch {
	case len(args) > 0 && args[0] == "deaf":
		f.heard(systemd.ErrStuck)
	case len(args) > 0 && args[0] == "hears":
		f.heard(nil)
	case len(f.barriers) == 0:
		t.Fatal("nobody waits for the service manager")
	default:
		done := f.barriers[0]
		f.barriers = f.barriers[1:]
		done(nil)
	}
}

// ask asks as an operator does, and writes down the answer.
func (f *machine) ask(t *testing.T, args []string) {
	commands := map[string]admin.Command{"reload": admin.Reload, "upgrade": admin.Upgrade, "status": admin.ReportStatus, "drain": admin.Drain, "undo": admin.UndoDrain, "end": admin.End, "stop": admin.Stop, "reopen": admin.ReopenLog, "failover": admin.Failover}
	reply := make(chan admin.Outcome, 1)
	f.replies = append(f.replies, reply)
	a := &admin.Ask{Command: commands[args[0]], Reply: reply}
	for _, option := range args[1:] {
		if pid, found := strings.CutPrefix(option, "by="); found {
			a.By = &admin.Asker{PIDs: []int{4711, number(t, pid)}}
		}
		if after, found := strings.CutPrefix(option, "after="); found {
			a.Timed, a.After = true, duration(t, after)
		}
		a.DryRun = a.DryRun || option == "dry-run"
		a.Strict = a.Strict || option == "strict"
		if names, found := strings.CutPrefix(option, "of="); found {
			a.Pool, a.Server, _ = strings.Cut(names, "/")
		}
	}
	f.master.handleAsk(a)
}

// nodes reads the nodes of a cluster.
func nodes(args []string) (all []link.ServerTopology) {
	for _, text := range args {
		place, text, _ := strings.Cut(text, "=")
		address, slots, isPrimary := strings.Cut(text, "/")
		s := link.ServerTopology{Server: place, Node: "id of " + place, Endpoints: []link.Endpoint{{Network: "tcp", Address: address, Role: link.Replica}}}
		if isPrimary {
			s.Endpoints[0].Role = link.Primary
			s.Slots = make([]link.HashRange, 1)
			fmt.Sscanf(slots, "%d-%d", &s.Slots[0].First, &s.Slots[0].Last)
		}
		all = append(all, s)
	}
	return all
}

// find has the follower find the first server somewhere, where sentinels say that it is.
func (f *machine) find(address string, epoch uint64, how []string) {
	s := link.ServerTopology{
		Server: "a", Epoch: epoch, Stale: slices.Contains(how, "stale"),
		Endpoints: []link.Endpoint{{Network: "tcp", Address: address, Role: link.Primary}},
	}
	for _, word := range how {
		if replica, ok := strings.CutPrefix(word, "replica="); ok {
			s.Endpoints = append(s.Endpoints, link.Endpoint{Network: "tcp", Address: replica, Role: link.Replica})
		}
	}
	n := discover.News{Servers: []link.ServerTopology{s}, Notices: []string{"the master is at " + address}}
	if slices.Contains(how, "moved") {
		n.Servers[0].MovedAt, n.Servers[0].MovedFrom = f.clock.UnixMilli(), "elsewhere"
		n.Servers[0].SaidAt = f.clock.Add(-time.Second).UnixMilli()
		n.Sentinels = []discover.Sentinel{
			{Address: "10.0.0.8:26379", Configured: true, Counts: true, Masters: []discover.Named{{Master: "mymaster", Address: address, Epoch: epoch}}},
			{Address: "10.0.0.7:26379", Configured: true, Counts: true, Masters: []discover.Named{{Master: "mymaster", Address: "elsewhere", Disagrees: true}}},
			{Address: "10.0.0.6:26379", Failure: "refused", SilentSince: f.clock},
		}
	}
	f.followed(n)
}

// answers writes down what was answered meanwhile.
func (f *machine) answers() {
	for i, reply := range f.replies {
		select {
		case o := <-reply:
			f.printf("answer %d: %s", i, f.describeOutcome(o))
		default:
		}
	}
}

// describeFollowed describes servers that have moved, and the sentinels that say so.
func describeFollowed(pools []admin.PoolStatus) (text string) {
	seconds := func(t time.Time) string { return t.UTC().Format("05.000") }
	for _, p := range pools {
		for _, s := range p.Servers {
			if f := s.Followed; f != nil && f.MovedFrom != "" {
				text += fmt.Sprintf("; %s is at %s, epoch %d, no longer at %s: said at %s, moved at %s",
					f.Master, s.Address, f.Epoch, f.MovedFrom, seconds(f.SaidAt), seconds(f.MovedAt))
				if !f.SwitchedAt.IsZero() {
					text += ", switched at " + seconds(f.SwitchedAt)
				}
			}
		}
		for _, s := range p.Sentinels {
			text += fmt.Sprintf("; sentinel %s %s", s.Address, s.State)
		}
	}
	return text
}

func (f *machine) describeOutcome(o admin.Outcome) string {
	text := "done"
	if o.Error != "" {
		text = "error: " + o.Error
	}
	for _, line := range o.Lines {
		text += "; " + line
	}
	if s := o.Status; s != nil {
		text += fmt.Sprintf(", %s, generation %d, busy %q", s.Phase, s.Generation, s.Busy)
		for _, g := range s.Generations {
			text += fmt.Sprintf("; generation %d is %s:", g.Number, g.State)
			for _, w := range g.Workers {
				text += fmt.Sprintf(" %d %s", w.PID, w.State)
			}
		}
		if len(s.Generations) > 0 && s.Generations[0].CPUs != nil && s.Generations[0].CPUs.Quota > 0 {
			text += "; on " + s.Generations[0].CPUs.String()
		}
		if s.CPUsNow != nil {
			text += "; by now " + s.CPUsNow.String()
		}
		text += describeFollowed(s.Pools)
	}
	return text
}
