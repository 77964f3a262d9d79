// StatHat's library for web pages, for the Eyrie that serves it:
//   _StatHat.push(['_setUser', UKEY]);
//   _StatHat.push(['_trackCount', KEY, 1]);
//   _StatHat.push(['_trackValue', KEY, 0.7]);
// Old syntax on purpose: it runs wherever StatHat's did.
(function (window, document) {
  'use strict';
  var PATH = '/javascripts/api.js';
  // What is pushed before `_setUser` waits for it, this much of it at most.
  var WAITING_MAX = 1000;

  var before = window._StatHat;
  if (before && before.eyrie) return; // Loaded twice.

  // The Eyrie is where this script came from.
  function home() {
    var own = document.currentScript;
    var all = own ? [own] : document.getElementsByTagName('script');
    for (var i = all.length - 1; i >= 0; i--) {
      var at = all[i].src ? all[i].src.indexOf(PATH) : -1;
      if (at >= 0) return all[i].src.slice(0, at);
    }
    return '';
  }

  var base = home();
  var user = null;
  var waiting = [];

  function send(path, key, name, number) {
    var form = 'key=' + encodeURIComponent(key) + '&ukey=' + encodeURIComponent(user) +
      '&' + name + '=' + encodeURIComponent(number);
    if (window.fetch) {
      // It goes on when the page is left. A failure is not sent again: it may have been counted.
      window.fetch(base + path, {
        method: 'POST', body: form, keepalive: true, mode: 'no-cors', credentials: 'omit',
        headers: { 'Content-Type': 'application/x-www-form-urlencoded' }
      }).then(null, function () {});
    } else {
      // The last parameter keeps browsers from taking two equal pictures for one.
      new window.Image().src = base + path + '?' + form + '&_=' + Date.now() + Math.random();
    }
  }

  function track(path, key, name, number) {
    if (!key || !isFinite(number)) return;
    if (user) send(path, key, name, number);
    else if (waiting.length < WAITING_MAX) waiting.push([path, key, name, number]);
  }

  function obey(command) {
    if (!command || typeof command === 'string' || !command.length) return;
    if (command[0] === '_setUser' && command[1]) {
      user = String(command[1]);
      waiting.splice(0).forEach(function (one) { send.apply(null, one); });
    } else if (command[0] === '_trackCount') {
      track('/c', command[1], 'count', command.length > 2 ? Number(command[2]) : 1);
    } else if (command[0] === '_trackValue') {
      track('/v', command[1], 'value', Number(command[2]));
    }
  }

  window._StatHat = {
    eyrie: true,
    push: function () {
      for (var i = 0; i < arguments.length; i++) obey(arguments[i]);
      return 0;
    }
  };
  if (before && before.length) window._StatHat.push.apply(null, before);
})(window, document);
