// Events of the master: the sockets where it answers itself.

package logfile

import "github.com/pinion-proxy/pinion/worker/logevent"

var (
	ReadingPathless        = master.Add(logevent.Warn, "reading_pathless", "control_group: there is no socket for reading, as the admin socket has no path; give it one with control, or with --control FILE", "")
	ReadingOpen            = master.Add(logevent.Notice, "reading_open", "group %s may ask how Pinion is on %s", "group address")
	ReadingFailed          = master.Add(logevent.Error, "reading_failed", "the socket for reading: %v", "cause")
	HTTPTrouble            = master.AddRepeating(logevent.Error, "http_trouble", "answering HTTP: %s", "cause")
	HTTPRefused            = master.AddRepeating(logevent.Warn, "http_refused", "refusing HTTP to %s: %s", "client_address cause")
	HTTPOpen               = master.Add(logevent.Notice, "http_open", "HTTP is answered on %s", "address")
	HTTPClosed             = master.Add(logevent.Notice, "http_closed", "HTTP is answered no more", "")
	HTTPPermissions        = master.Add(logevent.Error, "http_permissions", "permissions of the HTTP socket %s: %v", "address cause")
	HTTPFailed             = master.Add(logevent.Error, "http_failed", "answering HTTP on %s: %v", "address cause")
	StatisticsNotInherited = master.Add(logevent.Error, "statistics_not_inherited", "inheriting the statistics port: %v", "cause")
	StatisticsNotCopied    = master.Add(logevent.Warn, "statistics_not_copied", "upgrade: copying the statistics port: %v", "cause")
	AdminMoved             = master.Add(logevent.Notice, "admin_moved", "the admin socket is %s", "path")
	StatisticsMoved        = master.Add(logevent.Notice, "statistics_moved", "the statistics are on %s", "address")
	AdminSocketRebound     = master.AddRepeating(logevent.Warn, "admin_socket_rebound", "the admin socket %s was gone and is bound anew; does something clean up that directory?", "address")
	ReadingSocketRebound   = master.AddRepeating(logevent.Warn, "reading_socket_rebound", "the socket for reading %s was gone and is bound anew; does something clean up that directory?", "address")
)
