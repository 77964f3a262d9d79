// What nsqadmin's pages get: they stay fresh, count up, search while somebody types, and answer to keys. All of them work without.
import "./copy.ts";
import "./nsqadmin/counter.ts";
import "./nsqadmin/fresh.ts";
import "./nsqadmin/keys.ts";
import "./nsqadmin/search.ts";

document.documentElement.classList.add("scripted");
