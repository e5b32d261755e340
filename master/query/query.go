// Package query reads the parameters of a request by HTTP.
//
//	"pool=alpha&count=5" ──► Parameters: a Parameter for each that there is ──► the variables of who answers
//
// One that is misspelt or means nothing is an error, and never ignored: it may be the one that says "only these", or "only look". Any
// goroutine may call.
package query

import (
	"errors"
	"fmt"
	"maps"
	"net/url"
	"slices"
	"strconv"
	"strings"
)

// Parameters are those that there are, by name.
type Parameters map[string]Parameter

// Parameter is one of them.
type Parameter struct {
	Needed bool                    // it must be there
	Many   bool                    // it may be there several times
	take   func(text string) error // takes a value, which is not empty
}

// Text is any text.
func Text(to *string) Parameter {
	return Parameter{take: func(text string) error { *to = text; return nil }}
}

// Number is a number within bounds.
func Number[T int | int64 | uint64](to *T, least, most T) Parameter {
	return Parameter{take: func(text string) error {
		n, err := strconv.ParseUint(text, 10, 64)
		if err != nil || n > uint64(most) || T(n) < least {
			return fmt.Errorf("it is a number %s", bounds(least, most))
		}
		*to = T(n)
		return nil
	}}
}

func bounds[T int | int64 | uint64](least, most T) string {
	if uint64(most) >= 1<<31-1 {
		return fmt.Sprintf("from %d on", least)
	}
	return fmt.Sprintf("from %d to %d", least, most)
}

// Choice is one of some texts.
func Choice(to *string, of ...string) Parameter {
	return Parameter{take: func(text string) error {
		if !slices.Contains(of, text) {
			return fmt.Errorf("it is one of %s", strings.Join(of, ", "))
		}
		*to = text
		return nil
	}}
}

// Truth is 1 or 0.
func Truth(to *bool) Parameter {
	return Parameter{take: func(text string) error {
		if text != "0" && text != "1" {
			return errors.New("it is 1 or 0")
		}
		*to = text == "1"
		return nil
	}}
}

// Value is whatever take makes of it, whose error says what it is.
func Value(take func(text string) error) Parameter { return Parameter{take: take} }

// Once returns a parameter that must be there.
func (p Parameter) Once() Parameter { p.Needed = true; return p }

// Often returns a parameter that may be there several times.
func (p Parameter) Often() Parameter { p.Many = true; return p }

// Read reads the part of an address behind the question mark.
func (p Parameters) Read(query string) error {
	values, err := url.ParseQuery(query)
	if err != nil {
		return fmt.Errorf("reading the parameters: %w", err)
	}
	for _, name := range slices.Sorted(maps.Keys(values)) {
		one, known := p[name]
		if !known {
			return fmt.Errorf("unknown parameter %q; %s", name, p.names())
		}
		if err := one.read(name, values[name]); err != nil {
			return err
		}
	}
	for _, name := range slices.Sorted(maps.Keys(p)) {
		if p[name].Needed && !values.Has(name) {
			return fmt.Errorf("parameter %q is needed; %s", name, p.names())
		}
	}
	return nil
}

func (p *Parameter) read(name string, given []string) error {
	if len(given) > 1 && !p.Many {
		return fmt.Errorf("parameter %q is there %d times; once is right", name, len(given))
	}
	for _, text := range given {
		if text == "" {
			return fmt.Errorf("parameter %q is empty; leave it out, or say what it is", name)
		}
		if err := p.take(text); err != nil {
			return fmt.Errorf("parameter %q is %q; %w", name, text, err)
		}
	}
	return nil
}

// names says what there is.
func (p Parameters) names() string {
	if len(p) == 0 {
		return "there are none here"
	}
	return "what there is: " + strings.Join(slices.Sorted(maps.Keys(p)), " ")
}
