// What came of it: which failures are Pinion's, and how they are shown.

package main

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"time"
)

// outcome is what became of one library.
type outcome struct {
	library  library
	results  [settings]result
	failures []failure
}

// failure is one check that has failed in one setting.
type failure struct {
	check, setting, reason string
	excuse                 *excuse // why that is right, or nil
}

// judge finds what has failed. A check that the plain server passes and a pool does not come to has failed there.
func (o *outcome) judge(excuses []*excuse) {
	for setting, r := range o.results {
		reached := map[string]bool{}
		for _, c := range r.checks {
			reached[c.name] = true
			if !c.ok {
				o.fail(c.name, setting, c.reason, excuses)
			}
		}
		for _, c := range o.results[plain].checks {
			if c.ok && !reached[c.name] && r.absent == "" {
				o.fail(c.name, setting, "not reached", excuses)
			}
		}
	}
}

func (o *outcome) fail(check string, setting int, reason string, excuses []*excuse) {
	name := settingNames[setting]
	o.failures = append(o.failures, failure{check, name, reason, find(excuses, o.library.name, check, name)})
}

func (o *outcome) version() string {
	for _, r := range o.results {
		if r.version != "" {
			return r.version
		}
	}
	return "?"
}

// absent says why the library could not be had here, or nothing.
func (o *outcome) absent() string { return o.results[plain].absent }

// count is how many checks have passed of how many there are.
func (o *outcome) count(setting int) string {
	total := max(len(o.results[plain].checks), len(o.results[setting].checks))
	passed := 0
	for _, c := range o.results[setting].checks {
		if c.ok {
			passed++
		}
	}
	if passed == total {
		return fmt.Sprint(passed)
	}
	return fmt.Sprintf("%d of %d", passed, total)
}

// faults are the failures that nobody knows a reason for.
func (o *outcome) faults() (all []failure) {
	for _, f := range o.failures {
		if f.excuse == nil {
			all = append(all, f)
		}
	}
	return all
}

// line is the outcome for who watches.
func (o *outcome) line() string {
	if why := o.absent(); why != "" {
		return fmt.Sprintf("%-30s not to be had here: %s\n", o.library.name, why)
	}
	var text strings.Builder
	fmt.Fprintf(&text, "%-30s %-12s", o.library.name, o.version())
	for setting, name := range settingNames {
		fmt.Fprintf(&text, " %5s %-9s", name, o.count(setting))
	}
	text.WriteByte('\n')
	for _, f := range o.failures {
		word := "FAIL"
		if f.excuse != nil {
			word = "known"
		}
		fmt.Fprintf(&text, "    %-5s %s, %s: %s\n", word, f.setting, f.check, f.reason)
	}
	return text.String()
}

// summary reports whether there are no faults.
func summary(w io.Writer, all []outcome, whole bool, excuses []*excuse) bool {
	faults, missing := 0, 0
	for _, o := range all {
		faults += len(o.faults())
		if o.absent() != "" {
			missing++
		}
	}
	if whole {
		for _, e := range excuses {
			if !e.used {
				fmt.Fprintf(w, "known to fail, but does not: %s | %s | %s\n", e.library, e.check, e.setting)
			}
		}
	}
	fmt.Fprintf(w, "%d libraries, %d not to be had; failures without a known reason: %d\n", len(all), missing, faults)
	return faults == 0
}

// page is the outcome for who reads.
func page(s *scene, all []outcome) string {
	var text strings.Builder
	text.WriteString(introduction)
	fmt.Fprintf(&text, "Run on %s with:\n\n", time.Now().UTC().Format("2 January 2006"))
	for _, version := range s.versions {
		fmt.Fprintf(&text, "* %s\n", version)
	}
	for _, memcached := range []bool{false, true} {
		title := "Redis"
		if memcached {
			title = "memcached"
		}
		fmt.Fprintf(&text, "\n## %s\n\n| library | version | from | plain server | pool of one | pool of three |\n|---|---|---|---|---|---|\n", title)
		for _, o := range all {
			switch {
			case o.library.memcached != memcached:
			case o.absent() != "":
				fmt.Fprintf(&text, "| %s | | %s | not to be had: %s | | |\n", o.library.name, o.library.source, o.absent())
			default:
				fmt.Fprintf(&text, "| %s | %s | %s | %s | %s | %s |\n", o.library.name, o.version(), o.library.source,
					o.count(plain), o.count(one), o.count(three))
			}
		}
	}
	text.WriteString("\n## What fails, and why\n\n")
	for _, o := range all {
		for _, reason := range o.reasons() {
			fmt.Fprintf(&text, "* **%s**: %s\n", o.library.name, reason)
		}
	}
	text.WriteString(notHad)
	return text.String()
}

// reasons says of all failures with one reason once what they are.
func (o *outcome) reasons() (lines []string) {
	var order []string
	checks := map[string][]string{}
	for _, f := range o.failures {
		reason := "**a fault**: " + f.reason
		if f.excuse != nil {
			reason = f.excuse.reason
		}
		key := reason + "\x00" + f.setting
		if !slices.Contains(order, key) {
			order = append(order, key)
		}
		checks[key] = append(checks[key], f.check)
	}
	for _, key := range order {
		reason, setting, _ := strings.Cut(key, "\x00")
		which := strings.Join(checks[key], ", ")
		if n := len(checks[key]); n > 4 {
			which = fmt.Sprintf("%d checks", n)
		}
		lines = append(lines, fmt.Sprintf("%s, %s: %s", inWords[setting], which, reason))
	}
	return lines
}

var inWords = map[string]string{"plain": "plain server", "one": "pool of one", "three": "pool of three"}

const introduction = "# Client libraries\n\n" +
	"Real libraries, each doing its main job with its defaults: against a plain server, through a pool of one server, and\n" +
	"through a pool of three. A cell is how many checks pass. This page is written by `make compat DOCUMENT=yes`; the programs are in\n" +
	"`packaging/compat/clients`. The Redis pools have `hash_tag: \"{}\"`, `databases: 16` and `deny: none`.\n\n"

const notHad = "\n## What is not here\n\n" +
	"Where this was run, Go's modules, npm and Debian can be had. PyPI, RubyGems, Packagist and Maven's repositories cannot, so newer\n" +
	"redis-py, redis-client and Sidekiq 7, dalli 4, Predis 2, Jedis and Lettuce are missing.\n"
