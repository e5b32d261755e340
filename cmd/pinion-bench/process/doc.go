// Package process runs the programs of a comparison and reads from /proc what they cost.
//
//	Start ──► Process ──┬── Wait until it listens
//	  │                 ├── CPU, Memory: of the process and all its descendants, from /proc
//	  │                 └── Stop: SIGTERM, then SIGKILL to its process group
//	  └── on chosen CPUs, in a process group of its own, killed by the kernel should this process die
//
// CPU time is counted in nanoseconds by the scheduler, for user and system together: /proc/PID/task/TID/schedstat. It
// is exact while the process sleeps; while it runs, the time since the last tick is missing.
package process
