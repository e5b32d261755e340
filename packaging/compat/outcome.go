// What came of it: which failures are Pinion's, and how they are shown.

package main

import (
	"cmp"
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
		if !o.library.runsIn(setting) {
			continue
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
func (o *outcome) absent() string {
	if o.library.onlyTLS {
		return o.results[withTLS].absent
	}
	return o.results[plain].absent
}

// count is how many checks have passed of how many there are.
func (o *outcome) count(setting int) string {
	if !o.library.runsIn(setting) {
		return "–"
	}
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

// manner is which TLS is spoken.
func (o *outcome) manner() string {
	if o.library.tls == certificate {
		return "1.3, certificate"
	}
	return cmp.Or(o.library.tls, "none")
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
		fmt.Fprintf(&text, " %5s %-8s", name, o.count(setting))
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
		fmt.Fprintf(&text, "\n## %s\n\n| library | version | from | plain server | pool of one | pool of three | over TLS | TLS |\n|---|---|---|---|---|---|---|---|\n", title)
		for _, o := range all {
			switch {
			case o.library.memcached != memcached:
			case o.absent() != "":
				fmt.Fprintf(&text, "| %s | | %s | not to be had: %s | | | | |\n", o.library.name, o.library.source, o.absent())
			default:
				fmt.Fprintf(&text, "| %s | %s | %s | %s | %s | %s | %s | %s |\n", o.library.name, o.version(), o.library.source,
					o.count(plain), o.count(one), o.count(three), o.count(withTLS), o.manner())
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

var inWords = map[string]string{"plain": "plain server", "one": "pool of one", "three": "pool of three", "tls": "over TLS"}

const introduction = "# Client libraries\n\n" +
	"Real libraries, each doing its main job with its defaults: against a plain server, through a pool of one server, and\n" +
	"through a pool of three. A cell is how many checks pass. This page is written by `make compat DOCUMENT=yes`; the programs are in\n" +
	"`packaging/compat/clients`. The Redis pools have `hash_tag: \"{}\"`, `databases: 16` and `deny: none`.\n\n" +
	"Over TLS, a library goes through a pool of one that speaks TLS to it and to its server, redis-server with `tls-auth-clients` or `memcached -Z`.\n" +
	"Pinion is reloaded, and upgraded, under the connections that it has opened by then, and one check more is whether these are the same afterwards.\n" +
	"The last column is the version; with a certificate, `tls_auth_clients: yes` and `tls_auth_clients_user: cn` let in nobody but the user whom it names.\n\n"

const notHad = "\n## What is not here\n\n" +
	"Where this was run, Go's modules, npm and Debian can be had. PyPI, RubyGems, Packagist and Maven's repositories cannot, so newer\n" +
	"redis-py, redis-client and Sidekiq 7, dalli 4, Predis 2, Jedis and Lettuce are missing. The netty of Debian stands for the latter: Lettuce and\n" +
	"Redisson have their connections and their TLS from it.\n"
