# Sourced by run.sh: systemd listens, and starts the service for the first client.

step "with pinion.socket the first client is served before the service was started"
inside systemctl stop pinion 2>/dev/null # it warns of the socket
inside mkdir -p /etc/systemd/system/pinion.socket.d
printf '%s\n' '[Socket]' ListenStream= ListenStream=$proxy >"/proc/$leader/root/etc/systemd/system/pinion.socket.d/e2e.conf"
inside systemctl daemon-reload
inside systemctl start pinion.socket || fail "pinion.socket does not start"
[[ $(service ActiveState) == inactive ]] || fail "the service is $(service ActiveState) before anybody has connected"
answers || fail "the first client gets no answer"
serving

step "upgrades and crashes lose nothing there either"
crowd_begin
before=$(service MainPID)
install_package "$older"
replaced "$before" 1.0.0-e2e
crash KILL
for ((round = 1; round <= rounds; round++)); do
	inside pinion upgrade >/dev/null || fail "upgrade $round fails under socket activation"
	inside systemctl reload pinion || fail "systemctl reload $round fails under socket activation"
	crowd_goes_on "under socket activation, round $round"
done
crowd_end "under socket activation"

step "a stopped service is started again by the next client"
inside systemctl stop pinion 2>/dev/null # it warns of the socket
answers || fail "the client gets no answer"
inside systemctl stop pinion.socket pinion.service
inside rm -r /etc/systemd/system/pinion.socket.d
inside systemctl daemon-reload
