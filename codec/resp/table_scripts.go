// Rows of the commands on scripts.

package resp

var scriptRows = []Command{
	script("eval", scriptKeys.find, write),
	script("eval_ro", scriptKeys.find, read),
	script("evalsha", scriptKeys.find, write),
	script("evalsha_ro", scriptKeys.find, read),
	script("fcall", functionKeys.find, write),
	script("fcall_ro", functionKeys.find, read),
	refuse("function"),
	refuse("script"),
}
