// From a user to the text that Redis has for it.

package acl

import (
	"encoding/hex"
	"strings"

	"github.com/pinion-proxy/pinion/codec/resp"
)

// Text returns the line that Parse makes the user of, with the sums of passwords in place of passwords.
func (u *User) Text() string {
	words := append([]string{u.Name}, u.Flags()...)
	for _, sum := range u.SumTexts() {
		words = append(words, "#"+sum)
	}
	if text := u.Keys(); text != "" {
		words = append(words, text)
	}
	if !u.allChannels {
		words = append(words, "resetchannels")
	}
	if text := u.Channels(); text != "" {
		words = append(words, text)
	}
	return strings.Join(append(words, u.Commands()), " ")
}

// Flags returns "on" or "off", and "nopass" where any password will do.
func (u *User) Flags() []string {
	flags := []string{"off"}
	if u.Enabled {
		flags[0] = "on"
	}
	if u.NoPass {
		flags = append(flags, "nopass")
	}
	return flags
}

// SumTexts returns the SHA-256 of each password in hexadecimal digits.
func (u *User) SumTexts() (all []string) {
	for i := range u.Sums {
		all = append(all, hex.EncodeToString(u.Sums[i][:]))
	}
	return all
}

// Keys returns the rules about keys.
func (u *User) Keys() string {
	if u.allKeys {
		return "~*"
	}
	var words []string
	for _, p := range u.keys {
		prefix := map[resp.Access]string{resp.Reads: "%R~", resp.Writes: "%W~", resp.Reads | resp.Writes: "~"}[p.access]
		words = append(words, prefix+p.text)
	}
	return strings.Join(words, " ")
}

// Channels returns the rules about channels.
func (u *User) Channels() string {
	if u.allChannels {
		return "&*"
	}
	var words []string
	for _, text := range u.channels {
		words = append(words, "&"+text)
	}
	return strings.Join(words, " ")
}

// Commands returns the rules about commands.
func (u *User) Commands() string { return strings.Join(u.commands, " ") }
