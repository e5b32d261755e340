<?php
// What all programs in PHP share: they try one thing after the other, and say what came of each.

[$host, $port] = [$argv[1], (int) $argv[2]];
$variant = getenv('COMPAT_VARIANT') ?: '';
$tls = getenv('COMPAT_TLS') ? 'tls://' : ''; // SSL_CERT_FILE has the authority
ini_set('default_socket_timeout', '20'); // seconds that one check may wait
error_reporting(E_ALL & ~E_DEPRECATED);
set_error_handler(function ($level, $message) {
    if (error_reporting() & $level) {
        throw new ErrorException($message);
    }
    return true;
});
ob_implicit_flush();

function check(string $name, callable $f): bool
{
    try {
        $f();
    } catch (Throwable $e) {
        $reason = preg_replace('/\s+/', ' ', get_class($e) . ': ' . $e->getMessage());
        echo "FAIL $name: " . substr($reason, 0, 400) . "\n";
        return false;
    }
    echo "ok $name\n";
    replaced();
    return true;
}

/** Has everything of Pinion replaced under the connections that are open now, where TLS is spoken; once. */
function replaced(): void
{
    static $done = false;
    if ($GLOBALS['tls'] && !$done) {
        $done = true;
        echo "waits\n";
        fgets(STDIN);
    }
}

function equal($got, $want): void
{
    if ($got !== $want) {
        throw new Exception('got ' . json_encode($got) . ', want ' . json_encode($want));
    }
}

/** Has another process do something a little later. It must open a connection of its own. */
function later(callable $f): void
{
    if (pcntl_fork() === 0) {
        usleep(300_000);
        try {
            $f();
        } catch (Throwable) {
        }
        posix_kill(posix_getpid(), SIGKILL); // destructors would end what the parent has
    }
}

function done(): void
{
    echo "done\n";
}
