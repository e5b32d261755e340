// Package watch is the door to the file notifications: a reload without a command wants to know when a file of the
// configuration has another content, however that came to be.
package watch
