// The kinds of values that keys have: how each is read from text, checked, and written back.

package config

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"
	"unicode"

	"github.com/pinion-proxy/pinion/worker/link"
)

// value is the behaviour of a key. What set accepted, get returns as text that set accepts with the same result.
type value struct {
	set  func(*draft, *Key, word) *flaw
	get  func(*draft) []string // nothing = unset; nil func = nothing is kept
	many bool                  // the key has a list of values, and set adds one
	more bool                  // it may have one value or a list, and set adds one
	list bool                  // its value is a list of words, which may be written as one: set gets all, with spaces between
}

// option is one way to write a value that has few.
type option[T ~string] struct {
	text    string
	meaning T
}

var (
	protocols   = [...]option[link.Protocol]{{"true", link.Redis}, {"false", link.Memcache}}
	crossShards = [...]option[link.CrossShard]{
		{"refuse", link.CrossShardRefuse}, {"first_key", link.CrossShardFirstKey}}
	mgetErrors = [...]option[link.MGetErrors]{{"all", link.MGetErrorsAll}, {"per_key", link.MGetErrorsPerKey}}
	drainPings = [...]option[link.DrainPing]{{"pong", link.DrainPingPong}, {"error", link.DrainPingError}}
	readFroms  = [...]option[link.ReadFrom]{{"master", link.ReadFromMaster}, {"prefer_replica", link.ReadFromPreferReplica},
		{"replica", link.ReadFromReplica}, {"nearest", link.ReadFromNearest}}
	onFailures   = [...]option[link.OnFailure]{{"remap", link.OnFailureRemap}, {"fail_fast", link.OnFailureFailFast}, {"hold", link.OnFailureHold}}
	orphans      = [...]option[link.Orphans]{{"auto", link.OrphansAuto}, {"serve", link.OrphansServe}, {"drain", link.OrphansDrain}}
	unreachables = [...]option[UnreachableServers]{{"lax", UnreachableLax}, {"strict", UnreachableStrict}}
)

func choice[T ~string](field func(*draft) *T, options []option[T]) value {
	return value{
		set: func(d *draft, _ *Key, w word) *flaw {
			var texts []string
			for _, o := range options {
				if o.text == w.text {
					*field(d) = o.meaning
					return nil
				}
				texts = append(texts, o.text)
			}
			return notOneOf(w.text, texts)
		},
		get: func(d *draft) []string {
			for _, o := range options {
				if o.meaning == *field(d) {
					return []string{o.text}
				}
			}
			return nil
		},
	}
}

// named is a value that is one of some names.
func named(field func(*draft) *string, names []string) value {
	options := make([]option[string], len(names))
	for i, name := range names {
		options[i] = option[string]{name, name}
	}
	return choice(field, options)
}

// boolean is true or false in these letters only, as in twemproxy (conf_set_bool in nc_conf.c).
func boolean(field func(*draft) *bool) value {
	return value{
		set: func(d *draft, _ *Key, w word) *flaw { return parseBool(w.text, field(d)) },
		get: func(d *draft) []string { return []string{strconv.FormatBool(*field(d))} },
	}
}

func parseBool(text string, to *bool) *flaw {
	if text != "true" && text != "false" {
		return notOneOf(text, []string{"true", "false"})
	}
	*to = text == "true"
	return nil
}

func notOneOf(text string, known []string) *flaw {
	f := &flaw{message: "is unknown", hint: suggest(text, known)}
	if known[0] == "true" {
		f.message = "is neither true nor false"
		switch strings.ToLower(text) {
		case "yes", "on", "true", "1":
			f.hint = "write true"
		case "no", "off", "false", "0":
			f.hint = "write false"
		default:
			f.hint = "write true or false"
		}
	}
	return f
}

// number is a decimal number from low on.
func number(field func(*draft) *int, low int) value {
	return value{
		set: func(d *draft, k *Key, w word) *flaw { return parseNumber(k, w.text, low, math.MaxInt32, field(d)) },
		get: func(d *draft) []string { return []string{strconv.Itoa(*field(d))} },
	}
}

func setDatabases(d *draft, k *Key, w word) *flaw {
	return parseNumber(k, w.text, 1, maxDatabases, &d.pool.Databases)
}

func setKeySamples(d *draft, k *Key, w word) *flaw {
	const most = 100_000
	return parseNumber(k, w.text, 0, most, &d.global.KeySamples)
}

func millis(field func(*draft) *time.Duration) value {
	return duration(field, time.Millisecond, math.MaxInt32)
}

// duration is a time of up to high units, of which the key's Unit is the name.
func duration(field func(*draft) *time.Duration, unit time.Duration, high int) value {
	return value{
		set: func(d *draft, k *Key, w word) *flaw {
			var n int
			f := parseNumber(k, w.text, 0, high, &n)
			if f == nil {
				*field(d) = time.Duration(n) * unit
			}
			return f
		},
		get: func(d *draft) []string { return []string{strconv.FormatInt(int64(*field(d)/unit), 10)} },
	}
}

func parseNumber(k *Key, text string, low, high int, to *int) *flaw {
	n, ok := decimal(text)
	if ok && low <= n && n <= high {
		*to = n
		return nil
	}
	want := "a whole number"
	if k.Unit != "" {
		want += " of " + k.Unit
	}
	f := &flaw{message: "is not a number"}
	f.hint = fmt.Sprintf("write %s from %d to %d, digits only", want, low, high)
	if n, ok := k.withoutUnit(text); ok && low <= n && n <= high {
		f.hint = fmt.Sprintf("write %d: it is in %s, without a unit", n, k.Unit)
	}
	digits, negative := strings.CutPrefix(text, "-")
	switch {
	case digits == "" || strings.Trim(digits, "0123456789") != "":
	case negative:
		f.message = "is negative"
	default:
		f.message = "is out of range"
	}
	return f
}

// withoutUnit returns what the key's value would be for a time with a unit, such as 2s.
func (k *Key) withoutUnit(text string) (n int, ok bool) {
	unit, known := map[string]time.Duration{"ms": time.Millisecond, "µs": time.Microsecond}[k.Unit]
	d, err := time.ParseDuration(strings.ReplaceAll(text, " ", ""))
	if !known || err != nil || d < unit || d/unit > math.MaxInt32 {
		return 0, false
	}
	return int(d / unit), true
}

// decimal reads digits, as twemproxy does (nc_atoi in nc_util.c): no sign, and leading zeros mean nothing. Numbers
// beyond its int, which it lets overflow, are refused.
func decimal(text string) (n int, ok bool) {
	for i := range len(text) {
		c := text[i]
		if c < '0' || c > '9' {
			return 0, false
		}
		if n = n*10 + int(c-'0'); n > math.MaxInt32 {
			return 0, false
		}
	}
	return n, text != ""
}

func timeout(d *draft) *time.Duration { return &d.pool.Timeout }

// setTimeout refuses the -1 by which twemproxy calls "none" in its sources and documentation, as its parser does.
func setTimeout(d *draft, k *Key, w word) *flaw {
	f := millis(timeout).set(d, k, w)
	if f != nil && w.text == "-1" {
		f.hint = "leave timeout out, or write 0, to wait for ever"
	}
	return f
}

func setReuseport(_ *draft, _ *Key, w word) *flaw {
	var ignored bool
	return parseBool(w.text, &ignored)
}

func setHashTag(d *draft, _ *Key, w word) *flaw {
	if curly := strings.Trim(w.text, "“”‘’"); curly != w.text && len(curly) == 2 {
		return &flaw{message: "has typographic quotes", hint: fmt.Sprintf("write %q", curly)}
	}
	if len(w.text) != 2 {
		return &flaw{message: "is not two characters", hint: `write two, in quotes, such as "{}"`}
	}
	d.pool.HashTag = w.text
	return nil
}

func getHashTag(d *draft) []string { return unlessEmpty(d.pool.HashTag) }

// maxPasswordBytes is the longest argument that a client may send before it is authenticated, as in Redis.
const maxPasswordBytes = 16 << 10

func setPassword(d *draft, _ *Key, w word) *flaw {
	if w.text == "" {
		return &flaw{message: "is empty", hint: "leave redis_auth out if there is no password"}
	}
	if f := checkPassword(w.text); f != nil {
		return f
	}
	d.pool.Password = w.text
	return nil
}

func checkPassword(text string) *flaw {
	if len(text) > maxPasswordBytes {
		return &flaw{message: fmt.Sprintf("is longer than %d bytes", maxPasswordBytes), hint: "no client could give it: use a shorter one"}
	}
	return nil
}

func getPassword(d *draft) []string {
	if d.pool.User != "" {
		return nil
	}
	return unlessEmpty(d.pool.Password)
}

// maxCredentialBytes bounds memcached_auth.
const maxCredentialBytes = 1 << 10

func setCredentials(d *draft, k *Key, w word) *flaw {
	user, password, found := strings.Cut(w.text, ":")
	switch {
	case !found || user == "" || password == "":
		return &flaw{message: "is no user and password", hint: "write user:password, or leave " + k.Name + " out"}
	case len(w.text) > maxCredentialBytes:
		return &flaw{message: fmt.Sprintf("is longer than %d bytes", maxCredentialBytes), hint: "use a shorter one"}
	case strings.ContainsFunc(w.text, unicode.IsControl) || strings.Contains(user, " "):
		return &flaw{message: "has a character that clients cannot give", hint: "use no control characters, and no space in the user"}
	}
	d.pool.User, d.pool.Password = user, password
	return nil
}

func getCredentials(d *draft) []string {
	if d.pool.User == "" {
		return nil
	}
	return []string{d.pool.User + ":" + d.pool.Password}
}

// text is any text but an empty one.
func text(field func(*draft) *string) value {
	return value{
		set: func(d *draft, k *Key, w word) *flaw {
			if w.text == "" {
				return &flaw{message: "is empty", hint: "leave " + k.Name + " out if there is none"}
			}
			*field(d) = w.text
			return nil
		},
		get: func(d *draft) []string { return unlessEmpty(*field(d)) },
	}
}

func unlessEmpty(text string) []string {
	if text == "" {
		return nil
	}
	return []string{text}
}

// maxZoneBytes is far more than any name of a zone needs.
const maxZoneBytes = 64

func setZone(d *draft, _ *Key, w word) *flaw {
	if f := checkZone(w.text); f != nil {
		return f
	}
	d.global.Zone = w.text
	return nil
}

func getZone(d *draft) []string { return unlessEmpty(d.global.Zone) }

// CheckZone returns an error if a text cannot be the name of a zone.
func CheckZone(text string) error {
	if f := checkZone(text); f != nil {
		return fmt.Errorf("%q %s; %s", text, f.message, f.hint)
	}
	return nil
}

// checkZone finds what cannot be the name of a zone.
func checkZone(text string) *flaw {
	if text == "" || len(text) > maxZoneBytes || strings.ContainsFunc(text, func(r rune) bool { return unicode.IsSpace(r) || unicode.IsControl(r) }) {
		return &flaw{message: "is no name of a zone", hint: fmt.Sprintf("write one word of at most %d bytes, or leave it out", maxZoneBytes)}
	}
	return nil
}

const auto = "auto"

func setWorkers(d *draft, k *Key, w word) *flaw {
	if w.text == auto {
		d.global.Workers = 0
		return nil
	}
	f := parseNumber(k, w.text, 1, math.MaxInt32, &d.global.Workers)
	if f != nil {
		f.hint = "write auto, or a whole number from 1 on"
	}
	return f
}

func getWorkers(d *draft) []string {
	if d.global.Workers == 0 {
		return []string{auto}
	}
	return []string{strconv.Itoa(d.global.Workers)}
}
