// The effective configuration as text: every key with its value, wherever it came from.

package config

import (
	"fmt"
	"io"
	"regexp"
	"strconv"
	"strings"
)

// Print writes the configuration as nutcracker.yml with every key that has a value and says something in its pool, defaults marked.
// Parse makes an equal Config of it. Passwords are shown.
func (c *Config) Print(w io.Writer) error { return c.print(w, shownScalar) }

// PrintHidden is Print with every secret hidden, in a way that Parse refuses: nobody is to serve without the password, or with another one.
func (c *Config) PrintHidden(w io.Writer) error { return c.print(w, hiddenScalar) }

// scalar returns how a value of a key is written.
type scalar func(k *Key, text string) string

func shownScalar(k *Key, text string) string {
	if k.Name == usersKey {
		return strconv.Quote(text)
	}
	return quote(text)
}

// hiddenTag stands for a secret that is not shown. To YAML it is a tag, with nothing after it.
const hiddenTag = "!hidden"

// sumOfPassword is a rule of a user that tells passwords from each other.
var sumOfPassword = regexp.MustCompile(`#[0-9a-f]{64}`)

func hiddenScalar(k *Key, text string) string {
	switch {
	case k.Name == usersKey:
		return strconv.Quote(sumOfPassword.ReplaceAllString(text, "#hidden"))
	case k.secret:
		return hiddenTag
	}
	return quote(text)
}

func (c *Config) print(w io.Writer, as scalar) error {
	var b strings.Builder
	fmt.Fprintf(&b, "%s:\n", GlobalScope)
	printSection(&b, &draft{global: &c.Global, given: c.Global.given}, as)
	for i := range c.Pools {
		p := &c.Pools[i]
		fmt.Fprintf(&b, "\n%s:\n", quote(p.Name))
		printSection(&b, &draft{pool: p, given: p.given}, as)
	}
	_, err := io.WriteString(w, b.String())
	return err
}

func printSection(b *strings.Builder, d *draft, as scalar) {
	const commentColumn = 34
	for i := range keys {
		k := &keys[i]
		if k.Scope != d.scope() || k.get == nil {
			continue
		}
		if d.ignores(k) && d.hasDefault(k) {
			continue
		}
		values := k.get(d)
		if k.many && len(values) > 0 {
			fmt.Fprintf(b, "  %s:\n", k.Name)
		}
		if k.many {
			printItems(b, k, d.pool, values, as)
			continue
		}
		if len(values) > 1 {
			printList(b, k.Name, values)
			continue
		}
		for _, value := range values {
			line := fmt.Sprintf("  %s: %s", k.Name, as(k, value))
			if _, given := d.given[k.Name]; !given {
				line = fmt.Sprintf("%-*s # default", commentColumn, line)
			}
			b.WriteString(line + "\n")
		}
	}
}

// printItems writes the items of a list, one on each line.
func printItems(b *strings.Builder, k *Key, p *Pool, values []string, as scalar) {
	for i, value := range values {
		if k.Name == serversKey {
			printServer(b, p, i, value)
			continue
		}
		fmt.Fprintf(b, "    - %s\n", as(k, value))
	}
}

// printList writes a key that the file gives several values.
func printList(b *strings.Builder, name string, values []string) {
	fmt.Fprintf(b, "  %s:\n", name)
	for _, value := range values {
		fmt.Fprintf(b, "    - %s\n", quote(value))
	}
}

// printServer writes one item of the list of servers.
func printServer(b *strings.Builder, p *Pool, index int, text string) {
	const indent = "      "
	s := &p.Servers[index]
	if s.Zone == "" && len(s.Replicas) == 0 || p.IsCluster() {
		fmt.Fprintf(b, "    - %s\n", quote(text))
		return
	}
	fmt.Fprintf(b, "    - %s: %s\n", partServer, quote(text))
	if s.Zone != "" {
		fmt.Fprintf(b, indent+"%s: %s\n", partZone, quote(s.Zone))
	}
	if len(s.Replicas) > 0 {
		fmt.Fprintf(b, indent+"%s:\n", partReplicas)
	}
	for _, r := range s.Replicas {
		if r.Zone == "" {
			fmt.Fprintf(b, indent+"  - %s\n", quote(r.Address))
			continue
		}
		fmt.Fprintf(b, indent+"  - {%s: %s, %s: %s}\n", partReplica, strconv.Quote(r.Address), partZone, strconv.Quote(r.Zone))
	}
}

// plain is text that YAML takes as it is, whatever stands around it.
var plain = regexp.MustCompile(`^[A-Za-z0-9/]([A-Za-z0-9_./ -]|:[^ ])*$`)

// quote writes text as a YAML scalar. All escapes of Go strings mean the same in YAML's double quotes.
func quote(text string) string {
	if plain.MatchString(text) && !strings.HasSuffix(text, " ") {
		return text
	}
	return strconv.Quote(text)
}
