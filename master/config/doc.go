// Package config turns a configuration file into what the master and its workers need. It reads two formats, told
// apart by content: twemproxy's nutcracker.yml, of which every file means the same here as there, and a short form of
// one directive a line. Both become sections of settings, and one table of keys gives all settings their meaning:
//
//	       text ──text.go──► templates, marks of merges, comments in passwords; and the rest:
//	nutcracker.yml ──yaml.go──┐                        ┌── defaults, set        (section.go)
//	                          ├──► []section ──► keys ─┼── get                  (print.go: pinion config)
//	short form ─────short.go──┘        │               └── name, unit, doc      (packaging/doc/CONFIGURATION.md, pinion.yml(5))
//	                                   ▼
//	                      *Config, or Problems: everything that is wrong, each with line and column
//	                                   │
//	                                   ├──► Warnings: what works but hurts      (warn.go, and machine.go for what hurts here)
//	                                   ├──► Diff: what a reload would change    (diff.go)
//	                                   └──► Specs: one link.Spec for each slot
//
// A nutcracker.yml that nutcracker starts with and that is refused here has a number that overflows its int, a server
// without a host or with an empty name, a listen host that is empty or "*" (which nutcracker takes for the loopback
// address), two pools whose listen names are one address, a pool's name of more than 255 bytes, or a template that nothing has
// filled in, such as ${HOST}, anywhere but in a password.
//
// An option is one row in the table of keys.go and one field. A Config is not changed after Parse and may be read by
// any goroutine. The only inputs from outside the file are the address of a listen name and, for a link-local one, the
// number of its interface, which are looked up while parsing, and for Warnings the Machine.
package config
