// What the page shows: read every two seconds beside the loop, kept in a history that outlives the master, and told to those who watch.

package web

import (
	"context"
	"encoding/json"
	"sync"
	"time"

	"github.com/pinion-proxy/pinion/master/history"
	"github.com/pinion-proxy/pinion/master/live"
)

// Live keeps the history, and knows the state of the last read. It reads between Start and Stop, which the loop calls.
type Live struct {
	pages   *pages
	file    historyFile
	quit    chan struct{} // of the goroutine that reads; nil: there is none
	ended   chan struct{} // is closed by it at its end
	takes   time.Duration // what those who watch may take for what they are told, before they are dropped
	reading sync.Mutex    // held by it: one that begins waits for the one before

	mu       sync.Mutex
	history  *history.History // is changed by the goroutine that reads
	parts    [numParts]part
	briefs   map[string][]byte // JSON of the latest state by the pool that is chosen, of those that were asked for
	watchers []*watcher        // the one first that has watched for longest
	changed  chan struct{}     // is closed when there is something new
	stops    sync.Mutex        // of stopping: the loop, which sets it, never waits for mu
	stopping chan struct{}     // is closed when those who watch have to ask somebody else
}

// Parts of what is told, each under its name and only when it is new.
const (
	partState = iota
	partHandoffs
	partConfig
	partLog
	numParts
)

var partNames = [numParts]string{"state", "handoffs", "config", "log"}

// part is the latest of one kind.
type part struct {
	value  any
	key    any    // what it is the same by
	number uint64 // of changes; 0: there was nothing yet
	text   []byte // its JSON; nil: nobody has asked for it yet
}

// NewLive returns one that reads nothing yet. It asks asks, unless done is closed, which means that the loop answers no more. complain is
// called with what goes wrong with the file of its history, by any goroutine.
func NewLive(asks chan<- *Ask, done <-chan struct{}, complain func(text string)) *Live {
	return &Live{
		pages: &pages{asks, done}, file: historyFile{complain: complain}, takes: 5 * time.Second,
		history: history.New(), changed: make(chan struct{}), stopping: make(chan struct{}),
	}
}

// Start begins to read. The history is kept in the file at path; empty: nowhere. It stays in that of the first start.
func (l *Live) Start(path string) {
	if l.quit != nil {
		return
	}
	if l.ended == nil {
		l.file.path = path
	}
	l.quit, l.ended = make(chan struct{}), make(chan struct{})
	l.stops.Lock()
	l.stopping = l.quit
	l.stops.Unlock()
	go l.run(l.quit, l.ended)
}

// Stop ends that, and has those who watch ask again: another master answers them. What it returns is closed when the history is in
// its file.
func (l *Live) Stop() <-chan struct{} {
	if l.quit != nil {
		close(l.quit)
		l.quit = nil
	}
	if l.ended == nil {
		l.ended = make(chan struct{})
		close(l.ended)
	}
	return l.ended
}

// restoredFor is for how many reads it is looked whether the master before has written the history once more, as it does when it leaves.
const restoredFor = 10

// savedAfter is after how many reads the history is written to its file.
const savedAfter = 15

func (l *Live) run(quit, ended chan struct{}) {
	defer close(ended)
	l.reading.Lock()
	defer l.reading.Unlock()
	l.restore()
	reader := live.NewReader()
	l.read(reader)
	tick := time.NewTicker(history.ShortStep)
	defer tick.Stop()
	for n := 1; ; n++ {
		select {
		case <-quit:
			l.save()
			return
		case <-tick.C:
		}
		if n <= restoredFor {
			l.restore()
		}
		l.read(reader)
		if n%savedAfter == 0 {
			l.save()
		}
	}
}

// restore goes on with the history in the file, unless it was read already.
func (l *Live) restore() {
	if h := l.file.read(); h != nil {
		l.mu.Lock()
		l.history = h
		l.mu.Unlock()
	}
}

// save writes the history. It takes longer than others may wait, so that it does not lock: nobody else changes the history.
func (l *Live) save() { l.file.write(l.file.text(l.history)) }

// read asks the loop, and takes what it says.
func (l *Live) read(reader *live.Reader) {
	answer, answered := l.pages.state(context.Background(), Ask{Page: true})
	if !answered || answer.Page == nil {
		return
	}
	source := answer.Page
	now := time.Now()
	state, happened := reader.Read(source, now)
	config := l.configOf(source)
	l.mu.Lock()
	defer l.mu.Unlock()
	if happened != nil {
		l.history.Record(happened)
	}
	if h := source.Last; h != nil {
		l.history.Note(history.Handoff{
			At: h.At, Kind: h.Kind, Generation: h.Generation, Build: h.Build, Outcome: h.Outcome, Reason: h.Reason, Moved: h.Moved,
			Stragglers: h.Stragglers, Closed: h.Closed, Lost: h.Lost, TookUS: h.Took.Microseconds(), PauseUS: h.LongestPause.Microseconds(),
		})
	}
	l.put(partState, state, state.Now)
	if n := len(l.history.Handoffs); n > 0 {
		l.put(partHandoffs, append([]history.Handoff(nil), l.history.Handoffs...), l.history.Handoffs[n-1])
	}
	if config != nil {
		l.put(partConfig, config, configKey(source))
	}
	l.put(partLog, source.Log, source.Log.Count)
	close(l.changed)
	l.changed = make(chan struct{})
}

// configKey is what a configuration is the same by.
func configKey(s *live.Source) any { return [2]any{s.Generation, s.PID} }

// configOf returns the configuration, if it is another one than before.
func (l *Live) configOf(s *live.Source) []live.Section {
	l.mu.Lock()
	same := l.parts[partConfig].key == configKey(s)
	l.mu.Unlock()
	if same || s.Config == nil {
		return nil
	}
	return s.Config()
}

// put puts a part in its place, if it is new. The caller has locked.
func (l *Live) put(at int, value, key any) {
	p := &l.parts[at]
	if p.number > 0 && p.key == key {
		return
	}
	*p = part{value: value, key: key, number: p.number + 1}
	if at == partState {
		l.briefs = map[string][]byte{}
	}
}

// news returns the JSON of the parts that have changed since, the state for who has chosen a pool, and notes them; changed is closed
// when there is more. The parts do not change.
func (l *Live) news(since *[numParts]uint64, pool string) (texts [numParts][]byte, changed, stopping <-chan struct{}) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for i := range l.parts {
		p := &l.parts[i]
		if p.number == since[i] {
			continue
		}
		since[i] = p.number
		if i == partState {
			texts[i] = l.brief(p.value.(*live.State), pool)
		} else {
			texts[i] = p.json()
		}
	}
	l.stops.Lock()
	defer l.stops.Unlock()
	return texts, l.changed, l.stopping
}

// brief returns the JSON of the state for who has chosen a pool. The caller has locked.
func (l *Live) brief(s *live.State, pool string) []byte {
	if !s.Has(pool) {
		pool = ""
	}
	if l.briefs[pool] == nil {
		l.briefs[pool] = marshal(s.Brief(pool))
	}
	return l.briefs[pool]
}

// chart returns what is drawn of a pool; has is false if it is not known.
func (l *Live) chart(pool string, day bool) (c history.Chart, has bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.history.Chart(pool, day, time.Now())
}

// text returns the JSON of a part; nil: there is nothing yet.
func (l *Live) text(at int) []byte {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.parts[at].json()
}

// json returns the JSON of a part; nil: there is nothing yet.
func (p *part) json() []byte {
	if p.text == nil && p.number > 0 {
		p.text = marshal(p.value)
	}
	return p.text
}

func marshal(value any) []byte {
	text, err := json.Marshal(value)
	if err != nil {
		panic("web: " + err.Error()) // it consists of numbers and texts
	}
	return text
}
