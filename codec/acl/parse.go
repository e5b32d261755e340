// From a line of rules to a user.

package acl

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/pinion-proxy/pinion/codec/resp"
)

// Rule errors say what is wrong with a rule, without its text: it may be a password.
var (
	ErrSyntax     = errors.New("is no rule")
	ErrNoName     = errors.New("has no name")
	errUnknown    = errors.New("names no command and no category")
	errSum        = errors.New("is no SHA-256: write 64 hexadecimal digits in lower case")
	errNoPassword = errors.New("takes away a password that the user does not have")
	errAllKeys    = errors.New("stands behind a rule for all keys, which it cannot narrow: write resetkeys before it")
	errAllowed    = errors.New("stands behind a rule for all channels, which it cannot narrow: write resetchannels before it")
	errSelector   = errors.New("is a selector, which is not supported: make another user of it")
	errFirstWord  = errors.New("allows a command with some first argument only, which is not supported: allow the command, or a subcommand of a command that has them")
	errSkips      = errors.New("is not supported: whether RESTORE is looked at is said in redis.conf of the servers (sanitize-dump-payload)")
	errEmpty      = errors.New("is an empty password")
)

// RuleError is a rule that is wrong.
type RuleError struct {
	Number int    // of the rule, from 1 on
	Rule   string // empty where it is a password, or may have been meant as one
	Err    error
}

func (e *RuleError) Error() string {
	if e.Rule == "" {
		return fmt.Sprintf("rule %d %v", e.Number, e.Err)
	}
	return fmt.Sprintf("rule %q %v", e.Rule, e.Err)
}

func (e *RuleError) Unwrap() error { return e.Err }

// Parse reads the name of a user and his rules, with spaces between, as they stand behind the word "user" in files of Redis. He
// begins as one who is off and may do nothing. The error is of the first rule that is wrong.
func Parse(line string) (*User, error) {
	words := strings.Fields(line)
	if len(words) == 0 {
		return nil, ErrNoName
	}
	u := newUser(words[0])
	for i, rule := range words[1:] {
		if err := u.apply(rule); err != nil {
			return nil, &RuleError{i + 1, shown(rule), err}
		}
	}
	u.readsAll = u.allKeys || slices.ContainsFunc(u.keys, func(p keyPattern) bool { return p.text == "*" && p.access&resp.Reads != 0 })
	u.writesAll = u.allKeys || slices.ContainsFunc(u.keys, func(p keyPattern) bool { return p.text == "*" && p.access&resp.Writes != 0 })
	return u, nil
}

// shown returns a rule if it can be no password.
func shown(rule string) string {
	if strings.Contains("~%&+-(", rule[:1]) || strings.EqualFold(rule, "skip-sanitize-payload") {
		return rule
	}
	return ""
}

// apply carries out one rule.
func (u *User) apply(rule string) error {
	switch strings.ToLower(rule) {
	case "on":
		u.Enabled = true
	case "off":
		u.Enabled = false
	case "nopass":
		u.NoPass, u.Sums = true, nil
	case "resetpass":
		u.NoPass, u.Sums = false, nil
	case "reset":
		*u = *newUser(u.Name)
	case "allkeys", "~*":
		u.allKeys, u.keys = true, nil
	case "resetkeys":
		u.allKeys, u.keys = false, nil
	case "allchannels", "&*":
		u.allChannels, u.channels = true, nil
	case "resetchannels":
		u.allChannels, u.channels = false, nil
	case "allcommands":
		return u.applyCommands("+@all")
	case "nocommands":
		return u.applyCommands("-@all")
	case "sanitize-payload", "clearselectors": // nothing else is meant
	case "skip-sanitize-payload":
		return errSkips
	default:
		return u.applyPrefixed(rule)
	}
	return nil
}

// applyPrefixed carries out a rule whose first character says what it is.
func (u *User) applyPrefixed(rule string) error {
	switch rest := rule[1:]; rule[0] {
	case '>':
		if rest == "" {
			return errEmpty
		}
		u.addSum(sha256.Sum256([]byte(rest)))
	case '<':
		return u.removeSum(sha256.Sum256([]byte(rest)))
	case '#', '!':
		sum, ok := parseSum(rest)
		switch {
		case !ok:
			return errSum
		case rule[0] == '!':
			return u.removeSum(sum)
		}
		u.addSum(sum)
	case '~':
		return u.addKeys(keyPattern{rest, resp.Reads | resp.Writes})
	case '%':
		return u.applyAccess(rest)
	case '&':
		if u.allChannels {
			return errAllowed
		}
		if !slices.Contains(u.channels, rest) {
			u.channels = append(u.channels, rest)
		}
	case '+', '-':
		return u.applyCommands(strings.ToLower(rule))
	case '(':
		return errSelector
	default:
		return ErrSyntax
	}
	return nil
}

func parseSum(text string) (sum Sum, ok bool) {
	if len(text) != hex.EncodedLen(len(sum)) || strings.ToLower(text) != text {
		return sum, false
	}
	_, err := hex.Decode(sum[:], []byte(text))
	return sum, err == nil
}

func (u *User) addSum(sum Sum) {
	u.NoPass = false
	if !slices.Contains(u.Sums, sum) {
		u.Sums = append(u.Sums, sum)
	}
}

func (u *User) removeSum(sum Sum) error {
	i := slices.Index(u.Sums, sum)
	if i < 0 {
		return errNoPassword
	}
	u.Sums = slices.Delete(u.Sums, i, i+1)
	return nil
}

// applyAccess reads "R~pattern", "W~pattern" or "RW~pattern".
func (u *User) applyAccess(rest string) error {
	letters, pattern, found := strings.Cut(rest, "~")
	p := keyPattern{text: pattern}
	for _, letter := range letters {
		switch letter {
		case 'R', 'r':
			p.access |= resp.Reads
		case 'W', 'w':
			p.access |= resp.Writes
		default:
			return ErrSyntax
		}
	}
	if !found || p.access == 0 {
		return ErrSyntax
	}
	if p.access == resp.Reads|resp.Writes && pattern == "*" {
		u.allKeys, u.keys = true, nil
		return nil
	}
	return u.addKeys(p)
}

// addKeys adds a pattern, or what may be done to the keys of one that is there.
func (u *User) addKeys(p keyPattern) error {
	if u.allKeys {
		return errAllKeys
	}
	for i := range u.keys {
		if u.keys[i].text == p.text {
			u.keys[i].access |= p.access
			return nil
		}
	}
	u.keys = append(u.keys, p)
	return nil
}

// applyCommands carries out a rule about commands, in lower case.
func (u *User) applyCommands(rule string) error {
	name := rule[1:]
	rows, err := rowsOf(name)
	if err != nil {
		return err
	}
	u.set(rows, rule[0] == '+')
	if name == "@all" {
		u.commands = []string{rule}
		return nil
	}
	u.commands = slices.DeleteFunc(u.commands, func(earlier string) bool {
		return earlier[1:] == name || strings.HasPrefix(earlier[1:], name+"|")
	})
	u.commands = append(u.commands, rule)
	return nil
}

// rowsOf returns the rows that a command, "command|subcommand" or "@category" stands for.
func rowsOf(name string) ([]*resp.Command, error) {
	if category, ok := strings.CutPrefix(name, "@"); ok {
		if category == "all" {
			return allRows, nil
		}
		bit := resp.CategoryOf(category)
		if bit == 0 {
			return nil, errUnknown
		}
		return rowsWith(func(c *resp.Command) bool { return c.Categories()&bit != 0 }), nil
	}
	rows := rowsWith(func(c *resp.Command) bool {
		return (c.Name == name || strings.HasPrefix(c.Name, name+"|")) && c.Local != resp.LocalHangUp
	})
	if len(rows) > 0 {
		return rows, nil
	}
	if container, _, found := strings.Cut(name, "|"); found {
		if c := resp.Lookup([]byte(container)); c != nil && len(c.Subs) == 0 || strings.Count(name, "|") > 1 {
			return nil, errFirstWord
		}
	}
	return nil, errUnknown
}
