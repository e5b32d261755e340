<?php
// php-memcached, on libmemcached, in the text protocol or the binary one, and PHP's sessions.

require __DIR__ . '/check.php';

echo 'version ', phpversion('memcached'), "\n";
$m = new Memcached();
$m->setOption(Memcached::OPT_BINARY_PROTOCOL, $variant === 'binary');
$m->addServer($host, $port);
$good = function ($result) use ($m) {
    if ($result === false) {
        throw new Exception($m->getResultMessage());
    }
    return $result;
};

check('set and get', function () use ($m, $good) {
    $good($m->set('k', ['a' => 1], 60));
    equal($m->get('k'), ['a' => 1]);
    equal($m->get('absent'), false);
    equal($m->getResultCode(), Memcached::RES_NOTFOUND);
});
check('setMulti and getMulti', function () use ($m, $good) {
    $items = [];
    for ($i = 0; $i < 50; $i++) {
        $items["m$i"] = $i;
    }
    $good($m->setMulti($items));
    equal(count($m->getMulti(array_keys($items))), 50);
});
check('getDelayed', function () use ($m, $good) {
    $good($m->getDelayed(['m1', 'm2', 'm3'], true));
    equal(count($m->fetchAll()), 3);
});
check('add and replace', function () use ($m, $good) {
    equal($m->add('k', 1), false);
    equal($m->getResultCode(), $m->getOption(Memcached::OPT_BINARY_PROTOCOL) ? Memcached::RES_DATA_EXISTS : Memcached::RES_NOTSTORED);
    $good($m->replace('k', 'w'));
});
check('append and prepend', function () use ($m, $good) {
    $m->setOption(Memcached::OPT_COMPRESSION, false);
    $good($m->append('k', '>'));
    $good($m->prepend('k', '<'));
    equal($m->get('k'), '<w>');
});
check('cas', function () use ($m, $good) {
    $got = $m->get('k', null, Memcached::GET_EXTENDED);
    $good($m->cas($got['cas'], 'k', 'x'));
    equal($m->cas($got['cas'], 'k', 'y'), false);
});
check('increment and decrement', function () use ($m, $good) {
    $good($m->set('n', 10));
    equal([$m->increment('n', 5), $m->decrement('n', 1)], [15, 14]);
    equal($m->increment('absent', 1), false);
});
check('touch', fn () => $good($m->touch('k', 100)));
check('delete', function () use ($m, $good) {
    $good($m->delete('k'));
    equal($m->delete('k'), false);
    $good($m->deleteMulti(['m1', 'm2']));
});
check('getVersion', fn () => equal(count($good($m->getVersion())), 1));
check('getStats', fn () => equal($m->getStats()["$host:$port"]['pid'] > 0, true));
check('getStats of settings', fn () => equal(count($m->getStats('settings')["$host:$port"]) > 5, true));
$visit = function (string $value) use ($host, $port, $variant) {
    $command = array_map('escapeshellarg', [PHP_BINARY, '-d', 'memcached.sess_binary_protocol=' . ($variant === 'binary' ? 'On' : 'Off'),
        __DIR__ . '/session.php', 'memcached', "$host:$port", 'compatsession', $value]);
    exec(implode(' ', $command) . ' 2>&1', $lines, $status);
    if ($status !== 0) {
        throw new Exception(implode(' ', $lines));
    }
    return implode("\n", $lines);
};
check('a session', function () use ($visit) {
    equal($visit('mine'), 'mine');
    equal($visit(''), 'mine');
});
check('flush', function () use ($m, $good) {
    $good($m->flush());
    equal($m->get('m3'), false);
});
check('quit', fn () => $good($m->quit()));
done();
