// Rows of the commands on scripts.

package resp

var scriptRows = []Command{
	script("eval", scriptKeys.find, write),
	script("eval_ro", scriptKeys.find, read),
	script("evalsha", scriptKeys.find, write),
	script("evalsha_ro", scriptKeys.find, read),
	script("fcall", functionKeys.find, write),
	script("fcall_ro", functionKeys.find, read),
	container("function",
		all("delete", 3, mergeAgreed, write),
		keyless("dump", 2), // what one has loaded, all have
		all("flush", -2, mergeAgreed, write),
		keyless("help", 2),
		killing(all("kill", 2, mergeAny, read)),
		keyless("list", -2),
		all("load", -3, mergeAgreed, write),
		all("restore", -3, mergeAgreed, write),
		keyless("stats", 2),
	),
	container("script",
		refuse("debug"), // would change what EVAL means for all who share the connection
		all("exists", -3, mergeLeast, read),
		all("flush", -2, mergeAgreed, read),
		keyless("help", 2),
		killing(all("kill", 2, mergeAny, read)),
		all("load", 3, mergeAgreed, read),
	),
}
