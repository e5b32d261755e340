// Package systemd is the way to the service manager and the only one who knows it: sd_notify(3), sd_watchdog_enabled(3), the
// file descriptor store and socket activation, see also sd_listen_fds(3).
//
//	master ──Ready, Status, Store, …──► queue ──► goroutine of the queue ──► NOTIFY_SOCKET
//	master ◄──Inherited── descriptors of socket units and of the store, once, at the start
//
// No method waits for systemd, but for Flush. The queue stays short: what a later message makes pointless goes. Without
// NOTIFY_SOCKET nobody is told anything, and nothing is missing.
package systemd
