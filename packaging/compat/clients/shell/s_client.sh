# openssl s_client: a client whose K and k renew its keys, with and without asking the other side to do the same, many times in one connection.
. "$(dirname "$0")/check.sh"

say() { printf '%s\r\n' "$1" >&5; }
hears() { # PATTERN: in one of the next lines
	local line
	while read -rt 10 line <&4; do
		[[ $line =~ $1 ]] && return 0
	done
	echo "no line like $1"
	return 1
}
# It takes a key for one only at the beginning of what it reads at a time: each waits until the other side has answered the one before.
keys() { # TIMES
	local i
	for ((i = 0; i < $1; i++)); do
		for key in K k; do
			printf '%s\n' $key >&5
			hears '^KEYUPDATE' || return 1
			say "INCR renewals" && hears '^:[0-9]+' || return 1
		done
	done
}
counts() { say "GET renewals" && hears "^$1"; }

echo "version $(openssl version | cut -d' ' -f2)"
coproc { stdbuf -o0 openssl s_client -connect "$host:$port" -CAfile "$SSL_CERT_FILE" -verify_return_error -tls1_3 2>&1; }
exec 4<&"${COPROC[0]}" 5>&"${COPROC[1]}" # the shell closes its own when the program has ended
check "the certificate is good" hears 'Verify return code: 0'
check "25 times K and k" keys 25
replaced
check "25 times more" keys 25
check "every request was answered once" counts 100
say quit # Q is a key
check "close_notify" hears '^closed'
wait
echo done
