<?php
// One visit of somebody whose session is kept in a server: settings, session id, and what to remember or "".
[, $handler, $path, $id, $value] = $argv;
ini_set('session.save_handler', $handler);
ini_set('session.save_path', $path);
ini_set('session.use_cookies', '0');
session_id($id);
if (!session_start()) {
    exit(1);
}
if ($value !== '') {
    $_SESSION['value'] = $value;
}
echo $_SESSION['value'] ?? '';
session_write_close();
