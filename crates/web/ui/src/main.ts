// What every page gets. Charts bring uPlot with them only where there is one.
import "./copy.ts";
import "./live.ts";
import "./chart.ts";
import "./range.ts";
import "./palette.ts";
import "./keys.ts";
import { sayTimes } from "./times.ts";
import { keepFresh } from "./fresh.ts";
import { listen } from "./list.ts";
import { comparePasswords } from "./password.ts";
import { keepRows } from "./rows.ts";
import { followSearch } from "./search.ts";

document.documentElement.classList.add("scripted");
sayTimes(document);
listen();
keepFresh();
keepRows();
followSearch();
comparePasswords();
