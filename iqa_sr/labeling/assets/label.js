// The start.

async function start() {
  startTheme();
  startControls();
  for (;;) {
    try {
      await take(await getState());
      return;
    } catch (error) {
      await complain(error);
    }
  }
}

start();
