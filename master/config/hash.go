// The hash of a configuration: proxies that show the same one do the same, though their files differ in form.

package config

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"slices"
	"strings"
)

// hashBytes of a SHA-256 are told: enough to tell configurations from each other, and short enough to be compared by eye.
const hashBytes = 6

// ofHost are the keys that say what a host is, not what it does: hosts that differ in nothing else run the same.
var ofHost = map[string]bool{"zone": true}

// Hash returns a hash of all values that are no defaults, in 12 hexadecimal digits. Comments, order and the form of the file do
// not matter to it, nor do keys that only a later version knows. Certificates do, by what they are, and what users may do. Secrets are no part of it: a hash that everybody sees would let
// them be guessed.
func (c *Config) Hash() string {
	h := sha256.New()
	hashSection(h, GlobalScope.String(), &draft{global: &c.Global})
	for i := range c.Pools {
		hashSection(h, c.Pools[i].Name, &draft{pool: &c.Pools[i]})
	}
	return hex.EncodeToString(h.Sum(nil)[:hashBytes])
}

func hashSection(h io.Writer, name string, d *draft) {
	fmt.Fprintf(h, "%q\n", name)
	for _, c := range d.certificates() {
		fmt.Fprintf(h, "%s %x\n", c.Key, c.sum)
	}
	for _, line := range d.rights() {
		fmt.Fprintf(h, "user %q\n", line)
	}
	for i := range keys {
		k := &keys[i]
		if k.Scope != d.scope() || k.get == nil || k.secret || k.Scope == GlobalScope && ofHost[k.Name] || d.hasDefault(k) {
			continue
		}
		fmt.Fprintf(h, "%s %q\n", k.Name, k.get(d))
		if k.Name == serversKey && !d.pool.IsCluster() {
			for i := range d.pool.Servers {
				fmt.Fprintf(h, "%q %q\n", d.pool.Servers[i].Zone, d.pool.Servers[i].Replicas)
			}
		}
	}
}

// rights returns what the users of a section may do, without their passwords.
func (d *draft) rights() (lines []string) {
	if d.pool == nil {
		return nil
	}
	for _, line := range d.pool.described {
		words := strings.Fields(line)
		lines = append(lines, strings.Join(slices.DeleteFunc(words, func(word string) bool { return word[0] == '#' }), " "))
	}
	slices.Sort(lines)
	return lines
}
