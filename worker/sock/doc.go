// Package sock is the door to the kernel's sockets, shared memory and CPU affinity. Everything is a raw descriptor
// number: an *os.File or a net.Listener over a socket that several processes share would switch O_NONBLOCK off for all
// of them, since that flag belongs to the open file description.
//
// Calls on data (Recv, Send, Sendv, Accept) never block, so they go to the kernel without telling the Go scheduler;
// EINTR is retried, every other error comes back as a unix.Errno. All descriptors are made close-on-exec and
// non-blocking. Nothing here allocates on the data path.
package sock
