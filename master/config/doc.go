// Package config turns a configuration file into what the master and its workers need. It reads two formats, told apart
// by content: twemproxy's nutcracker.yml, of which every file that nutcracker runs means the same here, and a short form
// of one directive a line. Both become sections of settings, and one table of keys gives all settings their meaning:
//
//	nutcracker.yml ──yaml.go──┐                        ┌── defaults, set        (section.go)
//	                          ├──► []section ──► keys ─┼── get                  (print.go: pinion config)
//	short form ─────short.go──┘        │               └── name, unit, doc      (WriteMarkdownTable: README)
//	                                   ▼
//	                      *Config, or Problems: everything that is wrong, each with line and column
//	                                   │
//	                                   ├──► Warnings: what works but hurts      (warn.go)
//	                                   └──► Specs: one link.Spec for each slot
//
// An option is one row in the table of keys.go and one field. A Config is not changed after Parse and may be read by
// any goroutine. The only input from outside the file is the address of a listen name, which is resolved while parsing.
package config
