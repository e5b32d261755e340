// pinion(8): the program, its commands, and the service.

package main

import (
	"slices"
	"strings"

	"github.com/urfave/cli/v2"
)

func manualOfProgram(app *cli.App) string {
	p := newPage("pinion", "8", app.Version)
	p.section("NAME")
	p.WriteString("pinion \\- " + plain(app.Usage) + "\n")
	p.section("SYNOPSIS")
	p.WriteString(synopsis(rootUsage) + "\n.br\n" + synopsis("pinion COMMAND [options]") + "\n")

	p.section("DESCRIPTION")
	p.paragraph("Pinion stands between clients and servers of Redis or memcached. Clients see one server; each key lives on one " +
		"of many. It reads the `nutcracker.yml` of twemproxy (nutcracker), understands its options, and puts every key where " +
		"nutcracker put it. It runs one worker process for each CPU.")
	p.paragraph("A reload or an upgrade starts a new generation of workers beside the old one and moves the listening sockets and " +
		"all connections over: no client notices.")
	p.section("OPTIONS")
	options(p, app.VisibleFlags())

	p.section("COMMANDS")
	for _, c := range app.Commands {
		if !c.Hidden {
			command := *c // help text adds options to this copy only
			manualOfCommand(p, &command)
		}
	}
	p.section("SIGNALS")
	p.text(helpSection("Signals:"))
	p.section("EXIT STATUS")
	p.text(helpSection("Exit status:"))
	service(p)
	p.section("SEE ALSO")
	p.WriteString(".BR pinion.yml (5),\n.BR pinion\\-commands (7),\n.BR systemctl (1),\n.BR journalctl (1),\n.BR logrotate (8)\n")
	return p.String()
}

func manualOfCommand(p *roff, c *cli.Command) {
	p.subsection(c.Name + ": " + c.Usage)
	p.WriteString(synopsis(c.UsageText) + "\n.PP\n")
	if c.Description != "" {
		p.text(c.Description)
	}
	flags := slices.DeleteFunc(c.VisibleFlags(), func(f cli.Flag) bool { return long(f) == "help" })
	options(p, flags)
}

func options(p *roff, flags []cli.Flag) {
	for _, f := range flags {
		term, text, _ := strings.Cut(describe(f), "\t")
		p.item(strings.TrimSpace(term), text)
	}
}

// helpSection returns the lines under a heading of the help text.
func helpSection(heading string) string {
	_, text, _ := strings.Cut(rootHelp, "\n"+heading+"\n")
	text, _, _ = strings.Cut(text, "\n\n")
	return text
}

// service describes what the packages install.
func service(p *roff) {
	p.section("SERVICE")
	p.paragraph("`pinion.service` runs one proxy by `/etc/pinion/pinion.yml`. `systemctl reload pinion` fails, and says why, if the " +
		"new configuration is refused; the proxy then serves on as before. An upgrade of the package upgrades the running " +
		"proxy. If its new version does not like the configuration, or fails, the old one serves on: see what dpkg or rpm said.")
	p.paragraph("`pinion@NAME.service` runs another proxy by `/etc/pinion/NAME.yml`, with its admin socket in `/run/pinion-NAME`. " +
		"Each needs a statistics port of its own, in `/etc/default/pinion-NAME`:")
	p.example(`PINION_OPTIONS="--stats-addr 127.0.0.1 --stats-port 22223"`)
	p.paragraph("`pinion.socket`, which is not enabled, has systemd open the listening sockets: then not even a service that is " +
		"stopped refuses a connection. Its addresses must be those of the configuration: `systemctl edit pinion.socket`.")
	p.paragraph("If the master dies, systemd starts another one, which takes the workers over with their connections. For that, " +
		"`KillMode=process` leaves the workers alone, and systemd keeps what the master needs to find them. If the configuration " +
		"file cannot be used then, the old configuration serves on, and `systemctl status` says so. A service that was stopped has " +
		"nothing to be found: `systemctl restart` drains, and begins anew by the file as it is.")
	p.subsection("Containers and other supervisors")
	p.paragraph("As pid 1, under supervisord, runit, a shell or a systemd that it does not notify, the process that was started stays when an upgrade " +
		"replaces the master: as keeper, which passes signals on to the master and ends with its status. `pinion status` names " +
		"it; the pid file has the pid of the master. If the keeper is killed, the master ends, too, and its workers wait for the " +
		"next one, or drain on. With `-d` there is no keeper: the pid changes, and the pid file with it.")
	p.paragraph("Whenever a master was killed, start Pinion again with the same configuration file: it takes over the workers that " +
		"are left with all their connections, and then reloads.")
	p.subsection("What the service may do")
	p.paragraph(serviceMay)
	p.paragraph(serviceMayMore)
	p.example(serviceMayDropIn)
	p.subsection("Units of your own")
	p.paragraph(unitNeeds)
	for _, s := range unitSettings {
		p.item(s[0], s[1])
	}
	p.subsection("From nutcracker to Pinion")
	p.paragraph("Both packages can be installed at once; nutcracker's configuration, and with it the ports, moves over by two lines:")
	p.example(movingOver)
	p.paragraph("Between the two, connections are refused for a moment. `/usr/share/doc/pinion/MOVING.md` has the commands by which " +
		"nobody is refused.")
	p.paragraph("What nutcracker had in `DAEMON_OPTS` belongs into `PINION_OPTIONS` in `/etc/default/pinion`, but for " +
		"`-c`, `-d` and `-p`.")
	p.section("FILES")
	for _, f := range [][2]string{
		{"/etc/pinion/pinion.yml", "the configuration; user pinion must be able to read it"},
		{"/etc/default/pinion", "PINION_OPTIONS: the options of the service"},
		{"/run/pinion/ctl.sock", "the admin socket of the service"},
		{"/run/pinion/ctl-status.sock", "the one for reading, for the group that control_group names, if any"},
		{"/usr/share/pinion", "for metrics: alerts.yml, rules for Prometheus; dashboard.json, for Grafana"},
		{"/usr/share/doc/pinion", "README.md, CONFIGURATION.md with recipes, COMMANDS.md, OPERATIONS.md with what to do about incidents, and more"},
		{"/var/log/pinion", "for log files, which are rotated, if PINION_OPTIONS has `-o /var/log/pinion/pinion.log`; otherwise " +
			"the journal has the log"},
	} {
		p.item(f[0], f[1])
	}
}

// What the service may do, as it also stands in OPERATIONS.md.
const (
	serviceMay = "The service runs as user pinion, sees no `/home` and a `/tmp` of its own, and may write to `/run/pinion` and " +
		"`/var/log/pinion` only. Sockets of servers belong in `/run`; if only a group may connect to one, say " +
		"`SupplementaryGroups=redis` in `systemctl edit pinion`. The workers can read no files but those of the resolver, and " +
		"connect to no TCP ports but those of the servers (to any where a pool has `sentinels`), if the kernel has Landlock, and signal nobody, if that has version 6."
	serviceMayMore = "To listen on a port below 1024, or on a link-local address with its interface, it needs more than it has. " +
		"`systemctl edit pinion`:"
	serviceMayDropIn = `[Service]
AmbientCapabilities=CAP_NET_BIND_SERVICE
CapabilityBoundingSet=CAP_NET_BIND_SERVICE
RestrictAddressFamilies=AF_NETLINK`
	unitNeeds = "An upgrade replaces the main process. What a unit needs so that systemd agrees, and why:"
)

// unitSettings likewise.
var unitSettings = [][2]string{
	{"Type=notify", "Before the old master leaves, it tells systemd about the new one, and waits until systemd knows. With `simple` and " +
		"`exec` it does so, too, if systemd listens, by NotifyAccess=, or by WatchdogSec= or FileDescriptorStoreMax=, which imply it; " +
		"otherwise the process that systemd has started stays, as the keeper in `pinion status`. Type=forking with `-d` and `-p` follows " +
		"the pid file."},
	{"NotifyAccess=all", "With `main` upgrades work, too. But should the new master be killed in the moment between becoming the " +
		"main process and serving, the old one cannot say that, and systemd notices by WatchdogSec= only."},
	{"ExecStop=/usr/bin/pinion stop", "After an upgrade the main process is no child that systemd has started, and with " +
		"KillMode=process or mixed systemd sends such a one SIGTERM and SIGKILL at once. This asks for a drain, of whichever master is " +
		"there, and waits for all processes of the service. With `--control FILE` in ExecStart= it needs the same."},
	{"KillMode=process", "With `mixed` and `control-group` upgrades work, too, but when the master dies systemd kills all workers."},
	{"FileDescriptorStoreMax=4096", "Each worker takes one descriptor, each address one for each worker, a generation two; twice as much " +
		"for a moment. With less, the next master asks the workers that it finds for their listening sockets, and says in the log what " +
		"is missing."},
	{"TimeoutStopSec=45s", "More than shutdown_timeout. A master that hangs is killed then."},
	{"Restart=on-failure", "Or nobody follows a master that dies."},
	{"StartLimitIntervalSec=0", "In `[Unit]`. By itself systemd gives up after five starts within 10 s: then the workers drain, and only " +
		"`systemctl reset-failed` and a start bring Pinion back. systemd says so in the journal; the workers, without a master, have no log."},
	{"RestartSec=500ms", "Less than the 2 s for which workers wait for the next master, and enough for a file that cannot be used not to " +
		"flood the journal: it is tried until it is right, or by `systemctl stop` no more."},
}

// movingOver is also what the packages say when they meet a nutcracker that runs.
const movingOver = `install -m 640 -g pinion /etc/nutcracker/nutcracker.yml /etc/pinion/pinion.yml
systemctl disable --now nutcracker && systemctl enable pinion && systemctl restart pinion`
