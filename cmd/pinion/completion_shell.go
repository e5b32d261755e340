// Completions in the words of each shell.

package main

import (
	"fmt"
	"strings"
)

// askPools is what a shell calls for the names of pools.
const askPools = "pinion completion " + poolNames + " 2>/dev/null"

func completeBash(all []completed) string {
	var b strings.Builder
	b.WriteString(`# bash completion for pinion
_pinion() {
	local word=${COMP_WORDS[COMP_CWORD]} words
	COMPREPLY=()
	case ${COMP_WORDS[COMP_CWORD-1]} in
`)
	fmt.Fprintf(&b, "\t%s)\n\t\tcompopt -o filenames\n\t\tmapfile -t COMPREPLY < <(compgen -f -- \"$word\")\n\t\treturn ;;\n",
		strings.Join(withValue(all, true), "|"))
	fmt.Fprintf(&b, "\t--pool)\n\t\tmapfile -t COMPREPLY < <(compgen -W \"$(%s)\" -- \"$word\")\n\t\treturn ;;\n", askPools)
	for _, c := range all {
		for _, o := range c.options {
			if o.values != nil {
				fmt.Fprintf(&b, "\t%s)\n\t\tmapfile -t COMPREPLY < <(compgen -W '%s' -- \"$word\")\n\t\treturn ;;\n",
					strings.Join(o.spellings(), "|"), strings.Join(o.values, " "))
			}
		}
	}
	fmt.Fprintf(&b, "\t%s)\n\t\treturn ;;\n\tesac\n\tcase ${COMP_WORDS[1]} in\n", strings.Join(withValue(all, false), "|"))
	names := []string{}
	for _, c := range all[1:] {
		fmt.Fprintf(&b, "\t%s)\n\t\twords='%s' ;;\n", c.name, strings.Join(append(c.words, longs(c)...), " "))
		names = append(names, c.name)
	}
	fmt.Fprintf(&b, "\t*)\n\t\twords='%s'\n\t\t[[ $COMP_CWORD != 1 ]] || words+=' %s' ;;\n\tesac\n",
		strings.Join(longs(all[0]), " "), strings.Join(names, " "))
	b.WriteString(`	mapfile -t COMPREPLY < <(compgen -W "$words" -- "$word")
}
complete -F _pinion pinion
`)
	return b.String()
}

func longs(c completed) (names []string) {
	for _, o := range c.options {
		names = append(names, "--"+o.long)
	}
	return names
}

func completeZsh(all []completed) string {
	var b strings.Builder
	b.WriteString("#compdef pinion\n_pinion() {\n\tlocal -a commands\n\tcommands=(\n")
	for _, c := range all[1:] {
		fmt.Fprintf(&b, "\t\t%s\n", quoted(c.name+":"+c.usage))
	}
	b.WriteString("\t)\n\tif (( CURRENT == 2 )) && [[ $words[2] != -* ]]; then\n\t\t_describe command commands\n\t\treturn\n\tfi\n" +
		"\tcase $words[2] in\n")
	for _, c := range append(all[1:len(all):len(all)], all[0]) {
		pattern, shift := c.name, "shift words; (( CURRENT-- )); "
		if c.name == "" {
			pattern, shift = "*", ""
		}
		fmt.Fprintf(&b, "\t%s)\n\t\t%s_arguments -s", pattern, shift)
		for _, o := range c.options {
			value := ""
			if o.value != "" {
				value = ":" + o.value + ":"
			}
			switch {
			case o.value == "FILE":
				value += "_files"
			case o.isPool():
				value += "{compadd -- ${(f)\"$(" + askPools + ")\"}}"
			case o.values != nil:
				value += "(" + strings.Join(o.values, " ") + ")"
			}
			usage := strings.NewReplacer("[", "(", "]", ")", ":", `\:`).Replace(o.usage)
			for _, spelling := range o.spellings() {
				fmt.Fprintf(&b, " \\\n\t\t\t%s", quoted(spelling+"["+usage+"]"+value))
			}
		}
		if len(c.words) > 0 {
			fmt.Fprintf(&b, " \\\n\t\t\t%s", quoted("1:word:("+strings.Join(c.words, " ")+")"))
		}
		b.WriteString(" ;;\n")
	}
	b.WriteString("\tesac\n}\n_pinion \"$@\"\n")
	return b.String()
}

func completeFish(all []completed) string {
	var b strings.Builder
	b.WriteString("# fish completion for pinion\ncomplete -c pinion -f\n")
	for _, c := range all[1:] {
		fmt.Fprintf(&b, "complete -c pinion -n __fish_use_subcommand -a %s -d %s\n", c.name, quoted(c.usage))
	}
	for _, c := range all {
		when := "__fish_use_subcommand"
		if c.name != "" {
			when = quoted("__fish_seen_subcommand_from " + c.name)
		}
		for _, o := range c.options {
			fmt.Fprintf(&b, "complete -c pinion -n %s -l %s", when, o.long)
			if o.letter != "" {
				fmt.Fprintf(&b, " -s %s", o.letter)
			}
			switch {
			case o.value == "":
			case o.value == "FILE":
				b.WriteString(" -r -F")
			case o.isPool():
				fmt.Fprintf(&b, " -x -a '(%s)'", askPools)
			case o.values != nil:
				fmt.Fprintf(&b, " -x -a %s", quoted(strings.Join(o.values, " ")))
			default:
				b.WriteString(" -x")
			}
			fmt.Fprintf(&b, " -d %s\n", quoted(o.usage))
		}
		if len(c.words) > 0 {
			fmt.Fprintf(&b, "complete -c pinion -n %s -a %s\n", when, quoted(strings.Join(c.words, " ")))
		}
	}
	return b.String()
}

// quoted is a text in single quotes, in which no shell finds anything. There is none in a usage.
func quoted(text string) string { return "'" + strings.ReplaceAll(text, "'", "’") + "'" }
