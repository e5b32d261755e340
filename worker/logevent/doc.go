// Package logevent is what a log line is made of: an event of a table, and the values that its keys have this time.
//
//	Table ──Add──► Event ──Line(values)──► Line ──► text, for people
//	                                        │   └─► keys and values, for machines
//	                                        └─Append──► worker link ──Parse──► Line in the master
//
// The keys of an event, and what each is, are a contract with those who read the log by machine: they stay what they are.
// The events of workers are here, since both sides need them; those of the master are in package logfile. A Line is a value
// that its maker owns. A Limiter has one caller at a time.
package logevent
