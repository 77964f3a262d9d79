//! `eyrie account create|list|reset|close`: opens the store directly, beside a running server or without one.

use anyhow::Context as _;
use app::accounts::{AccountInfo, Accounts, OWNER, WithLink};

use crate::cli::{AccountArgs, CloseArgs, ListArgs};
use crate::folder::Folder;

/// What links begin with where no server has ever run on the folder.
const ADDRESS_UNKNOWN: &str = "http://127.0.0.1:8080";

/// Makes an account.
pub(crate) fn create(args: &AccountArgs) -> anyhow::Result<()> {
    with_accounts(Folder::open_or_make(&args.data.folder()?)?, async |accounts, folder| {
        let made = accounts.create(&args.email, args.ezkey.as_deref()).await?;
        print(&made, &folder, args.json)?;
        if made.account.id == OWNER && !args.json {
            println!("\nThis is the first account, so it is the owner's: it also sees Eyrie's own numbers.");
        }
        Ok(())
    })
}

/// Gives an account a new sign-in link.
pub(crate) fn reset(args: &AccountArgs) -> anyhow::Result<()> {
    with_accounts(Folder::open(&args.data.folder()?)?, async |accounts, folder| {
        let reset = accounts.reset(&args.email, args.ezkey.as_deref()).await?;
        print(&reset, &folder, args.json)
    })
}

/// Shuts an account.
pub(crate) fn close(args: &CloseArgs) -> anyhow::Result<()> {
    with_accounts(Folder::open(&args.data.folder()?)?, async |accounts, _| {
        let closed = accounts.close(&args.email).await?;
        println!("{} is closed: a running server knows it within seconds. Its stats stay.", closed.email);
        Ok(())
    })
}

/// Prints all accounts.
pub(crate) fn list(args: &ListArgs) -> anyhow::Result<()> {
    with_accounts(Folder::open(&args.data.folder()?)?, async |accounts, _| {
        let all = accounts.list().await?;
        if args.json {
            println!("{}", serde_json::to_string_pretty(&all)?);
        } else if all.is_empty() {
            println!("no accounts yet: `eyrie serve` or `eyrie account create` makes the first, the owner's");
        } else {
            all.iter().for_each(|account| println!("{}", line(account)));
        }
        Ok(())
    })
}

fn line(account: &AccountInfo) -> String {
    let ez = if account.ez_enabled { account.ez_key.as_str() } else { "(EZ API off)" };
    format!("{:<32} EZ key {ez:<34} access token {}", account.email, account.access_token)
}

fn print(made: &WithLink, folder: &Folder, json: bool) -> anyhow::Result<()> {
    let address = folder.address().unwrap_or_else(|| ADDRESS_UNKNOWN.to_owned());
    if json {
        let mut value = serde_json::to_value(made)?;
        let link = serde_json::Value::String(sign_in_link(&address, made));
        value.as_object_mut().context("an account is an object")?.insert("signin_link".to_owned(), link);
        println!("{}", serde_json::to_string_pretty(&value)?);
    } else {
        print!("{}", describe(&address, made));
        if !folder.is_served() {
            println!(
                "\nNo server runs on this folder now. Start one with `eyrie serve`; if its address is not"
            );
            println!("{address}, put its own into the link.");
        }
    }
    Ok(())
}

/// Keys and link of an account, for people.
pub(crate) fn describe(address: &str, made: &WithLink) -> String {
    let account = &made.account;
    format!(
        "  account        {}\n  EZ key         {}\n  access token   {}\n  sign in        {}\n                 (works once, within 24 hours)\n",
        account.email,
        account.ez_key,
        account.access_token,
        sign_in_link(address, made),
    )
}

fn sign_in_link(address: &str, made: &WithLink) -> String {
    format!("{address}/signin/{}", made.signin_secret)
}

fn with_accounts(
    folder: Folder,
    work: impl AsyncFnOnce(Accounts, Folder) -> anyhow::Result<()>,
) -> anyhow::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let store = store::open_sqlite(&folder.store()).await.context("cannot open the store")?;
        let accounts = Accounts::open(store.clone(), base::Clock::system()).await?;
        let outcome = work(accounts, folder).await;
        store.close().await.context("cannot close the store")?;
        outcome
    })
}
