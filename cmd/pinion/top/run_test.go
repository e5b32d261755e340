package top

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	tea "charm.land/bubbletea/v2"
)

// What the terminal says becomes keys, and one sample is asked for at a time: with clients, as soon as their table is opened.
func TestPage(t *testing.T) {
	asked := ""
	p := &page{model: newModel(0, time.Second), source: func(_ context.Context, clients bool) (*Sample, error) {
		s := sampleAfter(t, len(asked))
		if asked += map[bool]string{false: "a", true: "c"}[clients]; !clients {
			s.Clients = nil
		}
		return s, nil
	}}
	update := func(msg tea.Msg) tea.Cmd {
		_, next := p.Update(msg)
		return next
	}
	press := func(key tea.Key) tea.Cmd { return update(tea.KeyPressMsg(key)) }
	sample := p.Init()
	if p.ask() != nil {
		t.Error("two samples are asked for at a time")
	}
	update(sample())
	update(tea.WindowSizeMsg{Width: 100, Height: 10})
	if v := p.View(); !v.AltScreen || !strings.Contains(v.Content, "[1:pools]") || p.width != 100 {
		t.Errorf("%d places:\n%s", p.width, v.Content)
	}
	if update(due{0}) != nil {
		t.Error("a clock that is not the present one counts")
	}
	next := press(tea.Key{Code: '5', Text: "5"})
	if next == nil {
		t.Fatal("clients are not asked for")
	}
	update(next())
	if asked != "ac" || !strings.Contains(p.View().Content, "192.0.2.29") {
		t.Errorf("asked %q\n%s", asked, p.View().Content)
	}
	press(tea.Key{Code: '/', Text: "/"})
	for _, r := range "q.9:" {
		press(tea.Key{Code: r, Text: string(r)})
	}
	press(tea.Key{Code: tea.KeyHome})
	press(tea.Key{Code: tea.KeyEnter})
	if p.look.filter != "q.9:" || p.typing {
		t.Errorf("filter %q, %v", p.look.filter, p.typing)
	}
	press(tea.Key{Code: tea.KeyEscape})
	press(tea.Key{Code: tea.KeySpace, Text: " "})
	if !p.paused || p.look.filter != "" {
		t.Errorf("paused %v, filter %q", p.paused, p.look.filter)
	}
	if quit := press(tea.Key{Code: 'q', Text: "q"}); quit == nil || quit() != tea.Quit() {
		t.Error("q does not end it")
	}
	if quit := press(tea.Key{Code: 'c', Mod: tea.ModCtrl}); quit == nil || quit() != tea.Quit() {
		t.Error("Control-C does not end it")
	}
}

// Where only lines can be printed, tables follow each other, whatever fails meanwhile.
func TestFollow(t *testing.T) {
	looks := 0
	ctx, cancel := context.WithCancel(t.Context())
	source := func(context.Context, bool) (*Sample, error) {
		looks++
		switch looks {
		case 2:
			return nil, errors.New("between two masters")
		case 5:
			cancel()
		}
		return sampleAfter(t, looks), nil
	}
	var out strings.Builder
	if err := Run(ctx, source, Options{Table: "pools", Interval: time.Millisecond}, &out); err != nil {
		t.Fatal(err)
	}
	if n := strings.Count(out.String(), "POOL"); n != 3 || strings.Contains(out.String(), "\x1b") {
		t.Errorf("%d tables:\n%s", n, out.String())
	}
	looks, out = 0, strings.Builder{}
	if err := Run(t.Context(), source, Options{Table: "pools", Interval: time.Millisecond, Once: true}, &out); err == nil || !strings.Contains(err.Error(), "between") {
		t.Errorf("once: %v\n%s", err, out.String())
	}
	looks = 2
	if err := Run(t.Context(), source, Options{Table: "pools", Interval: time.Millisecond, Once: true}, &out); err != nil || strings.Count(out.String(), "POOL") != 1 {
		t.Errorf("once: %v\n%s", err, out.String())
	}
}
