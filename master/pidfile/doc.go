// Package pidfile keeps the pid of the master in a file: for scripts that were written for nutcracker's -p.
package pidfile
