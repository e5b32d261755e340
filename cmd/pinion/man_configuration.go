// pinion.yml(5): the two formats and all keys.

package main

import (
	"strings"

	"github.com/urfave/cli/v2"

	"github.com/pinion-proxy/pinion/master/config"
)

// The two formats, as they also stand in CONFIGURATION.md.
const (
	exampleNutcracker = `sessions:
  listen: 127.0.0.1:22121
  redis: true
  hash_tag: "{}"
  timeout: 400
  servers:
   - 127.0.0.1:6379:1 redis1
   - 127.0.0.1:6380:1 redis2
global:
  workers: auto`

	exampleShort = `shutdown_timeout 10000
listen 127.0.0.1:22121
hash_tag {}
timeout 400
backend redis1 127.0.0.1:6379
backend redis2 127.0.0.1:6380 weight=1
pool cache
listen 127.0.0.1:22122
protocol memcache
timeout 400
backend cache1 127.0.0.1:11211`
)

func manualOfConfiguration(app *cli.App) string {
	p := newPage("pinion.yml", "5", app.Version)
	p.section("NAME")
	p.WriteString("pinion.yml \\- configuration of " + plain(app.Name+", "+app.Usage) + "\n")
	p.section("DESCRIPTION")
	p.paragraph("The configuration has pools. A pool is an address to listen on, the servers behind it, and how keys are spread over " +
		"them. There are two formats, told apart by their content. The first is that of nutcracker, whose files mean the same " +
		"here:")
	p.example(exampleNutcracker)
	p.paragraph("The second has one directive on each line. Each `listen` or `pool` begins another pool, and directives before the " +
		"first one are those of `global:`. A pool is of Redis unless it says otherwise:")
	p.example(exampleShort)
	p.paragraph("`pinion check -c FILE` tells everything that is wrong with a file, `pinion config -c FILE` shows what is in effect, and " +
		"`pinion route -c FILE KEY` tells which server has a key. A size is in bytes, or has k, m or g behind it, for KiB, MiB or " +
		"GiB.")
	p.section("KEYS OF A POOL")
	keys(p, config.PoolScope)
	p.section("KEYS UNDER GLOBAL")
	p.paragraph("These stand under the reserved top-level key `global:`.")
	keys(p, config.GlobalScope)
	p.section("FILES")
	p.item("/etc/pinion/pinion.yml", "the configuration of pinion.service")
	p.item("/etc/pinion/NAME.yml", "that of pinion@NAME.service")
	p.section("SEE ALSO")
	p.WriteString(".BR pinion (8),\n.BR pinion\\-commands (7)\n")
	return p.String()
}

func keys(p *roff, scope config.Scope) {
	for _, k := range config.Keys() {
		if k.Scope != scope {
			continue
		}
		value := "Default: " + strings.TrimSpace(k.Default+" "+k.Unit) + "."
		switch k.Default {
		case "":
			value = "Default: none."
		case "required":
			value = "Required."
		}
		p.item(k.Name, sentence(k.Doc)+" "+value)
	}
}

// sentence gives a text of the table a capital and a full stop.
func sentence(text string) string {
	if text[0] >= 'a' && text[0] <= 'z' {
		text = strings.ToUpper(text[:1]) + text[1:]
	}
	return text + "."
}
