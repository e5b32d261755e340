// What is known to fail: known.txt has one line for each, with a reason.

package main

import (
	"fmt"
	"os"
	"path"
	"strings"
)

// excuse is a failure that has a reason. Names may be patterns.
type excuse struct {
	library, check string
	setting        string
	reason         string
	used           bool
}

// readKnown reads lines of "library | check | setting | reason".
func readKnown(file string) (all []*excuse, err error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	number := 0
	for line := range strings.Lines(string(text)) {
		number++
		line = strings.TrimSpace(line)
		if line == "" || line[0] == '#' {
			continue
		}
		parts := strings.SplitN(line, "|", 4)
		if len(parts) != 4 {
			return nil, fmt.Errorf("%s:%d: want library | check | setting | reason", file, number)
		}
		for i := range parts {
			parts[i] = strings.TrimSpace(parts[i])
		}
		all = append(all, &excuse{library: parts[0], check: parts[1], setting: parts[2], reason: parts[3]})
	}
	return all, nil
}

// find returns why a check fails, or nil.
func find(all []*excuse, library, check, setting string) *excuse {
	for _, e := range all {
		if matches(e.library, library) && matches(e.check, check) && matches(e.setting, setting) {
			e.used = true
			return e
		}
	}
	return nil
}

func matches(pattern, name string) bool {
	ok, _ := path.Match(pattern, name)
	return ok || pattern == name
}
