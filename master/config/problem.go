// What is wrong with a configuration, said so that an operator can mend all of it in one go.

package config

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
)

// Problem is one thing that is wrong with a configuration, or would hurt.
type Problem struct {
	File         string
	Line, Column int    // from 1; 0 = the file as a whole
	Pool         string // empty outside of pools
	Message      string // what is wrong
	Hint         string // what would be right; may be empty
	Warning      bool   // it works, but hurts
	Differs      bool   // it works, but otherwise than with nutcracker
}

// String gives the problem as one line: file:line:column: pool "alpha": what is wrong; what would be right.
func (p Problem) String() string {
	var b strings.Builder
	b.WriteString(p.File)
	if p.Line > 0 {
		fmt.Fprintf(&b, ":%d:%d", p.Line, p.Column)
	}
	b.WriteString(": ")
	if p.Warning {
		b.WriteString("warning: ")
	}
	if p.Differs {
		b.WriteString("different: ")
	}
	if p.Pool != "" {
		fmt.Fprintf(&b, "pool %q: ", p.Pool)
	}
	b.WriteString(p.Message)
	if p.Hint != "" {
		b.WriteString("; " + p.Hint)
	}
	return b.String()
}

// ServerProblem is what is wrong with a server of a pool, by its place in Configured.
func (c *Config) ServerProblem(p *Pool, i int, message, hint string) Problem {
	return c.problem(p, p.placed[i], message, hint)
}

// KeyProblem is what is wrong with what a key of a pool says.
func (c *Config) KeyProblem(p *Pool, key, message, hint string) Problem {
	return c.problem(p, p.where(key), message, hint)
}

func (c *Config) problem(p *Pool, at place, message, hint string) Problem {
	return Problem{File: c.File, Line: at.line, Column: at.column, Pool: p.Name, Message: message, Hint: hint}
}

// Problems is everything that is wrong with a file, in the order of the file.
type Problems []Problem

// Error gives one line for each problem.
func (ps Problems) Error() string {
	lines := make([]string, len(ps))
	for i, p := range ps {
		lines[i] = p.String()
	}
	return strings.Join(lines, "\n")
}

// split sorts the problems by place and parts errors from warnings.
func (ps Problems) split() (errs, warnings Problems) {
	slices.SortStableFunc(ps, byPlace)
	for _, p := range ps {
		if p.Warning {
			warnings = append(warnings, p)
		} else {
			errs = append(errs, p)
		}
	}
	return errs, warnings
}

// byPlace is the order of the file.
func byPlace(a, b Problem) int {
	return cmp.Or(cmp.Compare(a.Line, b.Line), cmp.Compare(a.Column, b.Column))
}

// flaw is what is wrong with one value; the key and the value themselves are said by whoever reports it.
type flaw struct {
	message, hint string
	harmless      bool // a warning
}

// separators leaves out what parts a name from the next.
var separators = strings.NewReplacer("_", "", "-", "", " ", "")

// suggest says what an unknown word should have been: one of the same letters, the nearest of the known ones, one that it begins or
// ends, or else all of them.
func suggest(word string, known []string) string {
	for _, k := range known {
		if word != "" && strings.EqualFold(separators.Replace(k), separators.Replace(word)) {
			return fmt.Sprintf("did you mean %q?", k)
		}
	}
	best, distance := "", 1+len(word)/3
	for _, k := range known {
		if d := editDistance(word, k); d <= distance && (d < distance || best == "") {
			best, distance = k, d
		}
	}
	for _, k := range known {
		if best == "" && len(word) >= 3 && (strings.HasPrefix(k, word) || strings.HasSuffix(k, word)) {
			best = k
		}
	}
	if best != "" {
		return fmt.Sprintf("did you mean %q?", best)
	}
	return knownAre + strings.Join(known, ", ")
}

// knownAre begins a list of all that would be right.
const knownAre = "known are "

// Suggest says which of the known words somebody may have meant, as for a key of the configuration.
func Suggest(word string, known []string) string { return suggest(word, known) }

// editDistance counts the bytes to insert, delete, replace or swap with their neighbour to make b of a: the restricted
// Damerau-Levenshtein distance, row by row.
func editDistance(a, b string) int {
	before, last, row := make([]int, len(b)+1), make([]int, len(b)+1), make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		before, last, row = last, row, before
		row[0] = i + 1
		for j := range len(b) {
			replace := last[j]
			if a[i] != b[j] {
				replace++
			}
			row[j+1] = min(replace, last[j+1]+1, row[j]+1)
			if i > 0 && j > 0 && a[i] == b[j-1] && a[i-1] == b[j] {
				row[j+1] = min(row[j+1], before[j-1]+1)
			}
		}
	}
	return row[len(b)]
}
