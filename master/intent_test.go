package master

import (
	"fmt"
	"slices"
	"strings"
	"testing"
)

// handoffPhase is how far a master is in a handoff to or from another one, or in something else that takes time.
type handoffPhase struct {
	name  string
	lines []string // of a transcript, up to there
	rest  []string // how it goes on to its good end
	fails []string // how it fails
}

var intentCases = []struct {
	name   string
	signal string   // that means it
	ask    string   // that means it; empty: none does
	own    []string // one of these shows that the master under test has done it
	told   []string // one of these shows that the other master has been told
}{
	{"drain", "SIGTERM", "drain", []string{": drain [", "terminate 1001", ": quit"},
		[]string{`leaving ["drain"]`, "intent to drain", ": SIGTERM"}},
	{"stop", "SIGINT", "stop", []string{"terminate 1001", ": quit"}, []string{`leaving ["stop"]`, "intent to stop", ": SIGINT"}},
	{"reload", "SIGHUP", "reload", []string{"log: master reloading"}, []string{`leaving ["reload"]`, "intent to reload", ": SIGHUP"}},
	{"upgrade", "SIGUSR2", "upgrade", []string{"start a new master"}, []string{`leaving ["upgrade"]`, "intent to upgrade", ": SIGUSR2"}},
	{"reopen", "", "reopen", []string{"reopen the log file"}, []string{"intent to reopen log", "say to child: welcome", "cannot be told of changes to the log"}},
	{"verbosity", "SIGTTIN", "", []string{"verbosity is"},
		[]string{"intent verbosity", "say to child: welcome", "intent to verbosity up", ": SIGTTIN", "cannot be told of changes to the log"}},
}

// sourcePhases are those of an old master.
func sourcePhases(option string) (phases []handoffPhase) {
	lines := []string{"start workers=1 " + option, "ready 0", "signal SIGUSR2"}
	steps := []struct{ line, phase string }{
		{"", "calling"}, {"other hello", "waiting"}, {"other prepared 1", "moving"}, {"given 0 5 0", "settling"},
		{"other settled", "leaving"}, {"child ready", ""},
	}
	for i, step := range steps[:len(steps)-1] {
		if step.line != "" {
			lines = append(slices.Clone(lines), step.line)
		}
		p := handoffPhase{name: "old side " + step.phase, lines: lines, fails: []string{"child exited"}}
		for _, later := range steps[i+1:] {
			p.rest = append(p.rest, later.line)
		}
		phases = append(phases, p)
		if step.phase == "moving" {
			p.name, p.lines = "old side returning", append(slices.Clone(lines), "other failed because")
			p.rest = []string{"other returned", "child exited"}
			phases = append(phases, p)
		}
	}
	return phases
}

// targetPhases are those of a new master.
func targetPhases(option string) (phases []handoffPhase) {
	lines := []string{"start workers=1 successor=yes " + option}
	steps := []struct{ line, phase string }{
		{"", "calling"}, {"other welcome", "welcomed"}, {"other sockets listen/alpha/0", "preparing"}, {"ready 0", "prepared"},
		{"other go", "taking"}, {"other moved", "settling"}, {"other agreed", "serving"}, {"other farewell", "told"}, {"other end", ""},
	}
	for i, step := range steps[:len(steps)-1] {
		if step.line != "" {
			lines = append(slices.Clone(lines), step.line)
		}
		p := handoffPhase{name: "new side " + step.phase, lines: lines, fails: []string{"other end"}}
		for _, later := range steps[i+1:] {
			p.rest = append(p.rest, later.line)
		}
		phases = append(phases, p)
		if step.phase == "taking" {
			p.name, p.lines = "new side returning", append(slices.Clone(lines), "other abort because")
			p.rest = []string{"given 0 5 0", "exit 0 exit status 0", "other end"}
			phases = append(phases, p)
		}
	}
	return phases
}

// TestIntents asks for everything in every phase, by a signal and over the admin socket, and has the handoff go on or
// fail: somebody does it in the end, or who asked is told to ask again.
func TestIntents(t *testing.T) {
	phases := append(sourcePhases("older=no"), targetPhases("older=no")...)
	phases = append(phases,
		handoffPhase{"starting", []string{"start workers=1"}, []string{"ready 0"}, []string{"ready 0"}},
		handoffPhase{"reload preparing", []string{"start workers=1", "ready 0", "signal SIGHUP"},
			[]string{"ready 0@2", "given 0@1 1 0"}, []string{"exit 0@2 killed"}},
		handoffPhase{"reload giving", []string{"start workers=1", "ready 0", "signal SIGHUP", "ready 0@2"},
			[]string{"given 0@1 1 0", "given 0@2 1 0"}, []string{"exit 0@1 killed", "given 0@2 1 0"}},
	)
	for _, p := range append(sourcePhases("older=yes"), targetPhases("older=yes")...) {
		p.name += " with an older version"
		phases = append(phases, p)
	}
	for _, p := range phases {
		for _, c := range intentCases {
			for _, by := range []string{"signal " + c.signal, "ask " + c.ask} {
				if len(strings.Fields(by)) < 2 || strings.HasPrefix(by, "ask") && !p.hasControl() {
					continue
				}
				for how, rest := range map[string][]string{"goes on": p.rest, "fails": p.fails} {
					if strings.HasPrefix(p.name, "new side calling") && how == "fails" {
						continue // the other one is dead, and this one has nothing yet: there is nobody to do it
					}
					t.Run(fmt.Sprintf("%s/%s/%s", p.name, by, how), func(t *testing.T) {
						text, after := p.play(t, by, rest)
						if !contains(after, c.own) && !contains(after, c.told) && !strings.Contains(after, "answer 0: error: another master has taken over") {
							t.Errorf("%s is forgotten:\n%s", by, text)
						}
						if strings.Contains(after, "left everything") && !contains(after, c.told) && !strings.Contains(after, "answer 0: error: another master") {
							t.Errorf("%s is not passed on:\n%s", by, text)
						}
						if strings.HasPrefix(by, "ask") && !strings.Contains(after, "answer 0: ") && !begun(after) {
							t.Errorf("%s is not answered:\n%s", by, text)
						}
					})
				}
			}
		}
	}
}

// hasControl reports whether the admin socket is served in that phase.
func (p *handoffPhase) hasControl() bool {
	return p.name != "starting" && (!strings.HasPrefix(p.name, "new side") || strings.HasPrefix(p.name, "new side serving") ||
		strings.HasPrefix(p.name, "new side told"))
}

// begun reports whether a reload or an upgrade has begun, whose end will be the answer.
func begun(after string) bool {
	return strings.Contains(after, "log: master reloading") || strings.Contains(after, "start a new master")
}

func contains(text string, one []string) bool {
	return slices.ContainsFunc(one, func(part string) bool { return strings.Contains(text, part) })
}

// play returns the whole transcript, and what follows from the intent.
func (p *handoffPhase) play(t *testing.T, by string, rest []string) (text, after string) {
	f := newMachine()
	happen := func(line string) {
		if f.finished {
			return
		}
		text += "> " + line + "\n"
		f.happen(t, strings.Fields(line))
		text += f.log.String()
		after += f.log.String()
		f.log.Reset()
	}
	for _, line := range p.lines {
		happen(line)
	}
	after = ""
	happen(by)
	for _, line := range rest {
		happen(line)
	}
	if f.master.masters.newRuns && f.master.oldSide == nil { // a new master that is not wanted ends
		happen("child exited")
	}
	return text, after
}
