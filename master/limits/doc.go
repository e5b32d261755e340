// Package limits tells what the machine allows: memory, processes and threads, descriptors. It only reads, for the most part
// in /proc and in the control groups that the process is in.
package limits
