// The manual pages, written by the tables that the program itself reads: of options, of commands, of keys.

package main

import (
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"

	"github.com/urfave/cli/v2"
)

// manuals are the pages, by the names of their files.
var manuals = map[string]func(*cli.App) string{
	"pinion.8": manualOfProgram, "pinion.yml.5": manualOfConfiguration, "pinion-commands.7": manualOfCommands,
}

func manualNames() []string { return slices.Sorted(maps.Keys(manuals)) }

// manualCommand is for makers of packages.
func manualCommand() *cli.Command {
	return &cli.Command{
		Name:      "manual",
		Usage:     "write a manual page, for man(1)",
		UsageText: "pinion manual " + strings.Join(manualNames(), " | "),
		Hidden:    true,
		Action: func(c *cli.Context) error {
			page := manuals[c.Args().First()]
			if page == nil || c.Args().Len() != 1 {
				return usageError("manual knows these pages: " + strings.Join(manualNames(), ", "))
			}
			_, err := io.WriteString(c.App.Writer, page(c.App))
			return err
		},
	}
}

// roff is a page as it grows, see man(7).
type roff struct{ strings.Builder }

func newPage(name, section, version string) *roff {
	p := new(roff)
	fmt.Fprintf(p, ".TH %s %s \"\" \"pinion %s\"\n.nh\n.ad l\n", strings.ToUpper(name), section, plain(version))
	return p
}

func (p *roff) section(title string)    { fmt.Fprintf(p, ".SH %s\n", title) }
func (p *roff) subsection(title string) { fmt.Fprintf(p, ".SS %s\n", plain(title)) }

// paragraph writes a text with its words in backquotes emphasised.
func (p *roff) paragraph(text string) { fmt.Fprintf(p, ".PP\n%s\n", marked(text)) }

// item writes a term and what there is to say about it. In the term, capitals are what the reader puts something for.
func (p *roff) item(term, text string) { fmt.Fprintf(p, ".TP\n%s\n%s\n", synopsis(term), marked(text)) }

// example writes lines as they are.
func (p *roff) example(text string) {
	fmt.Fprintf(p, ".PP\n.RS 4\n.nf\n%s\n.fi\n.RE\n", plain(strings.Trim(text, "\n")))
}

// text writes what a command says of itself: paragraphs, and indented lines of which each has a tab before what it is for.
func (p *roff) text(description string) {
	for line := range strings.Lines(description) {
		line = strings.TrimRight(line, "\n")
		command, purpose, _ := strings.Cut(strings.TrimPrefix(line, "  "), "\t")
		switch {
		case line == "":
			p.WriteString(".PP\n")
		case !strings.HasPrefix(line, "  "):
			fmt.Fprintln(p, marked(line))
		case purpose == "":
			fmt.Fprintf(p, ".PP\n%s\n", synopsis(command))
		default:
			p.item(command, purpose)
		}
	}
}

// plain protects what means something to roff.
func plain(text string) string {
	text = strings.NewReplacer(`\`, `\e`, `-`, `\-`, `'`, `\(aq`, "`", "\\(ga", "^", `\(ha`, "~", `\(ti`).Replace(text)
	lines := strings.Split(text, "\n")
	for i, line := range lines {
		if strings.HasPrefix(line, ".") {
			lines[i] = `\&` + line
		}
	}
	return strings.Join(lines, "\n")
}

// marked makes the words in backquotes bold.
func marked(text string) string {
	parts := strings.Split(text, "`")
	for i := range parts {
		parts[i] = plain(parts[i])
		if i%2 == 1 {
			parts[i] = `\fB` + parts[i] + `\fR`
		}
	}
	text = strings.Join(parts, "")
	if strings.HasPrefix(text, ".") {
		text = `\&` + text // it follows a word in backquotes that is empty
	}
	return text
}

// synopsis makes a command line bold but for the words that stand for something.
func synopsis(text string) string {
	words := strings.Split(text, " ")
	for i, word := range words {
		bare := strings.Trim(word, "[]…")
		if bare == strings.ToUpper(bare) && strings.Trim(bare, "ABCDEFGHIJKLMNOPQRSTUVWXYZ") == "" && bare != "" {
			words[i] = strings.Replace(plain(word), bare, `\fI`+bare+`\fR`, 1)
		} else {
			words[i] = `\fB` + plain(word) + `\fR`
		}
	}
	return strings.Join(words, " ")
}
